"""Recorded cases, candidates as an engine hands them over, and what the same people are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grouping import People
from tests.support import reference_decoder


@dataclass(frozen=True)
class Picked:
    """Candidates as an engine hands them over."""

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    score: NDArray[np.float32]
    tag: NDArray[np.float32]


def pick(heatmaps: NDArray[np.float32], tags: NDArray[np.float32]) -> Picked:
    """What a graph with 5x5 NMS and top-30 picks, entries without a peak included."""
    found = reference_decoder.find_candidates(heatmaps, tags)
    return Picked(
        found[..., 0].astype(np.int32),
        found[..., 1].astype(np.int32),
        found[..., 2].copy(),
        found[..., 3:].copy(),
    )


def assert_same_people(people: People, expected: People) -> None:
    """Equal to the bit."""
    np.testing.assert_array_equal(people.keypoints, expected.keypoints)
    np.testing.assert_array_equal(people.scores, expected.scores)
    np.testing.assert_array_equal(people.tags, expected.tags)


def load_case(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of one recorded case."""
    with np.load(path) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}
