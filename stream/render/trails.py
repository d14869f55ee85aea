"""Where hands and feet have been."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs import KeypointSet
from stream.render.skeleton import Style, draw_trails

_SLOTS = 64


class Trails:
    """The last places of the joints at the ends of limbs (those with one link: wrists and ankles),
    by person number.
    """

    def __init__(self, keypoint_set: KeypointSet) -> None:
        links = np.bincount(np.array(keypoint_set.links, int).ravel(), minlength=len(keypoint_set))
        self._ends = np.flatnonzero(links == 1)
        self._owners = np.full(_SLOTS, -1, np.int64)
        self._places = np.zeros((_SLOTS, 0, len(self._ends), 3))
        self._newest = 0

    def draw(
        self,
        image: NDArray[np.uint8],
        keypoints: NDArray[np.float64],
        ids: NDArray[np.int64],
        shades: NDArray[np.float32],
        style: Style,
        *,
        length: int,
    ) -> None:
        """Remembers the people (P, J, 3) with numbers `ids` (below 0: nobody known), and draws
        where they were in the last `length` frames.
        """
        if self._places.shape[1] != length + 1:
            self._places = np.zeros((_SLOTS, length + 1, len(self._ends), 3))
        self._newest = (self._newest + 1) % (length + 1)
        known = ids >= 0
        keypoints, ids = keypoints[known], ids[known]
        slots = ids % _SLOTS
        changed = slots[self._owners[slots] != ids]
        self._places[changed] = 0
        self._owners[slots] = ids
        self._places[:, self._newest, :, 2] = 0
        places = keypoints[:, self._ends].copy()
        places[..., 2] = places[..., 2] >= style.threshold
        self._places[slots, self._newest] = places
        colours = shades[self._owners % len(shades)]
        draw_trails(image, self._places, self._newest, colours, 0.9 * style.limb_min_px, 0.85)
