"""What is remembered of the people of one source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FREE, TENTATIVE, CONFIRMED = 0, 1, 2
NO_ID = -1


class Tracks(NamedTuple):
    """C places for people of J joints; a place that is `FREE` holds nobody.

    Attributes:
        state: (C,) int8 `FREE`, `TENTATIVE` (seen, not yet believed) or `CONFIRMED`.
        ids: (C,) int64 identities, `NO_ID` until confirmed.
        seen_s: (C,) stream time of the last sighting.
        born_s: (C,) stream time of the first sighting.
        sightings: (C,) int64 how often the person has been seen.
        centre: (C, 2) px, at `seen_s`.
        velocity: (C, 2) px/s, at `seen_s`.
        covariance: (C, 3) of one axis: position px^2, both px^2/s, velocity px^2/s^2.
        size_px: (C,) diagonal of the person's box, smoothed.
        offsets: (C, J, 2) px from the centre to each joint, as last seen.
        certainty: (C, J) score of each joint as last seen, faded since.
        tags: (C, L) mean tag of the last sighting.
    """

    state: NDArray[np.int8]
    ids: NDArray[np.int64]
    seen_s: NDArray[np.float64]
    born_s: NDArray[np.float64]
    sightings: NDArray[np.int64]
    centre: NDArray[np.float64]
    velocity: NDArray[np.float64]
    covariance: NDArray[np.float64]
    size_px: NDArray[np.float64]
    offsets: NDArray[np.float64]
    certainty: NDArray[np.float64]
    colours: NDArray[np.float64]

    @classmethod
    def allocate(cls, capacity: int, joints: int) -> Tracks:
        return cls(
            state=np.zeros(capacity, np.int8),
            ids=np.full(capacity, NO_ID, np.int64),
            seen_s=np.zeros(capacity),
            born_s=np.zeros(capacity),
            sightings=np.zeros(capacity, np.int64),
            centre=np.zeros((capacity, 2)),
            velocity=np.zeros((capacity, 2)),
            covariance=np.zeros((capacity, 3)),
            size_px=np.zeros(capacity),
            offsets=np.zeros((capacity, joints, 2)),
            certainty=np.zeros((capacity, joints)),
            colours=np.zeros((capacity, 6)),
        )
