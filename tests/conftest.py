"""Fixtures that every room's tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with golden files, data and media; skips the test where there is none."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared: golden files, images and clips that are not part of the repository")
    return folder


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Where a file is that the reference implementation recorded, such as `grouping/case_03.npz`.

    A few lie in tests/golden, so that no machine is without; the test is skipped where one does not and there is no ../shared.
    """

    def find(name: str) -> Path:
        own = REPOSITORY / "tests" / "golden" / name
        return own if own.exists() else Path(request.getfixturevalue("shared")) / "golden" / name

    return find
