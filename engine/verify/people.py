"""How far people are from each other who were grouped from two runtimes' maps: what an error in a
map comes to in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.maps import PoseMaps

GroupPeople = Callable[[PoseMaps], NDArray[np.float32]]
"""Maps to keypoints (P, J, 3) x, y, score in image pixels. The engine knows no grouping: whoever
has both gives it.
"""

# mean distance of the joints of one person found twice, at most, as a share of the person's size
_SAME_PERSON = 0.1


@dataclass(frozen=True, kw_only=True)
class PeopleParity:
    """Differences between the people that two runtimes found.

    Drift is over the joints that both have of people with a counterpart. The mean is of few joints
    that jumped (to another peak, or filled in elsewhere) rather than of many that moved: the median
    says how far the others moved.

    Attributes:
        people: Of the reference.
        lost: Of those, without a counterpart.
        gained: Of the other runtime, without a counterpart.
        drift_median_px: In image pixels.
        drift_mean_px: In image pixels.
        drift_p95_px: In image pixels, 95th percentile.
    """

    people: int
    lost: int
    gained: int
    drift_median_px: float
    drift_mean_px: float
    drift_p95_px: float


class PeopleComparison:
    """Collects what two runtimes found in image after image."""

    def __init__(self) -> None:
        self._people = self._lost = self._gained = 0
        self._drifts: list[NDArray[np.float32]] = [np.empty(0, np.float32)]

    def add(self, found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
        """Compares keypoints (P, J, 3) of one image; people are paired by nearest joints first."""
        both = (found[None, :, :, 2] > 0) & (expected[:, None, :, 2] > 0)
        distances = np.where(
            both, np.linalg.norm(found[None, :, :, :2] - expected[:, None, :, :2], axis=3), 0
        )
        shared = both.sum(axis=2)
        mean = np.where(shared > 0, distances.sum(axis=2) / np.maximum(shared, 1), np.inf)
        relative = mean / np.maximum(_sizes(expected)[:, None], 1)
        paired = 0
        while relative.size and relative.min() <= _SAME_PERSON:
            ours, theirs = np.unravel_index(relative.argmin(), relative.shape)
            self._drifts.append(distances[ours, theirs][both[ours, theirs]].astype(np.float32))
            relative[ours, :] = relative[:, theirs] = np.inf
            paired += 1
        self._people += len(expected)
        self._lost += len(expected) - paired
        self._gained += len(found) - paired

    def summary(self) -> PeopleParity:
        drift = np.concatenate(self._drifts)
        median, p95 = np.percentile(drift, [50, 95]) if len(drift) else (0.0, 0.0)
        return PeopleParity(
            people=self._people,
            lost=self._lost,
            gained=self._gained,
            drift_median_px=float(median),
            drift_mean_px=float(drift.mean()) if len(drift) else 0.0,
            drift_p95_px=float(p95),
        )


def _sizes(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P,) diagonals of the boxes around people's joints."""
    seen = keypoints[:, :, 2, None] > 0
    low = np.where(seen, keypoints[:, :, :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, keypoints[:, :, :2], -np.inf).max(axis=1, initial=-np.inf)
    return np.where(
        seen.any(axis=(1, 2)), np.linalg.norm(np.maximum(high - low, 0), axis=1), 0
    ).astype(np.float32)
