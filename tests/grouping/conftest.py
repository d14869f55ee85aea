"""Groupers that are compiled once, and what some tests need."""

from __future__ import annotations

import pytest

from grouping import Grouper
from tests.support import reference_decoder


@pytest.fixture(scope="session")
def groupers() -> dict[int, Grouper]:
    """A reference grouper per number of joints."""
    return {17: Grouper("coco"), 14: Grouper("crowdpose")}


@pytest.fixture(scope="session")
def grouper(groupers: dict[int, Grouper]) -> Grouper:
    return groupers[17]


@pytest.fixture(scope="session")
def munkres() -> None:
    """Skips where the package that decides ties in the recorded results is not installed in that
    version.
    """
    if problem := reference_decoder.munkres_missing():
        pytest.skip(problem)
