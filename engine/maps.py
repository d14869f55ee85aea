"""What the engine finds in one image, before anybody knows who is who."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.geometry import Alignment

MAX_CANDIDATES = 30  # kept per joint: people in one image, as in the official configuration


@dataclass(frozen=True, slots=True)
class Candidates:
    """The highest peaks of every joint's heatmap, highest first; peaks are 5x5 maxima.

    Attributes:
        x: (J, K) int32 columns in map pixels.
        y: (J, K) int32 rows in map pixels.
        score: (J, K) float32 heatmap values; 0 and below where there are fewer than K peaks.
        tag: (J, K, L) float32 tags at those pixels.
    """

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    score: NDArray[np.float32]
    tag: NDArray[np.float32]


@dataclass(slots=True)
class PoseMaps:
    """Heatmaps and tags of one image, ready for grouping.

    Arrays may lie in a runtime's own buffers, which `release` gives back.

    Attributes:
        heatmaps: (J, h, w) float32.
        tags: (J, h, w, L) float32, L being tag dimensions, twice that after a flip test; a view
            whose last axis need not be contiguous.
        alignment: Takes keypoints from map pixels to image pixels.
        candidates: The peaks that the graph picked; None where it did not.
    """

    heatmaps: NDArray[np.float32]
    tags: NDArray[np.float32]
    alignment: Alignment
    candidates: Candidates | None = None
    _give_back: Callable[[], None] | None = field(default=None, repr=False)

    def release(self) -> None:
        """Gives the buffers back to their runtime; the arrays are not to be used afterwards. May be
        called more than once.
        """
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()
