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
        state: (C,) int8 `FREE`, `TENTATIVE` (seen, not believed yet) or `CONFIRMED`.
        births: (C,) int64 how many people have been at the place, so that others can see a change.
        ids: (C,) int64 identities, `NO_ID` until confirmed.
        seen_s: (C,) stream time of the last sighting.
        sightings: (C,) int64 how often the person has been seen.
        centre: (C, 2) px, at `seen_s`.
        measured: (C, 2) px, where the joints said at `seen_s` that the centre was.
        velocity: (C, 2) px/s, at `seen_s`.
        covariance: (C, 3) of one axis, at `seen_s`: position px^2, both px^2/s, velocity px^2/s^2.
        size_px: (C,) diagonal of the person's box, smoothed.
        offsets: (C, J, 2) px from the centre to each joint, as last seen.
        certainty: (C, J) score of each joint as last seen, fading while it is missing.
        colours: (C, 2, 3) of torso and legs, see `colour.sample`; below 0 where unknown.
        colour_variance: (C, 2) how much these change from sighting to sighting, mean square.
        predicted: (C, 2) px, where the centre is taken to be now.
        uncertainty: (C, 3) `covariance` now.
        remaining: (C,) share of the velocity that is left now.
        has_left: (C,) whether the person is taken to have walked out of the picture.
    """

    state: NDArray[np.int8]
    births: NDArray[np.int64]
    ids: NDArray[np.int64]
    seen_s: NDArray[np.float64]
    sightings: NDArray[np.int64]
    centre: NDArray[np.float64]
    measured: NDArray[np.float64]
    velocity: NDArray[np.float64]
    covariance: NDArray[np.float64]
    size_px: NDArray[np.float64]
    offsets: NDArray[np.float64]
    certainty: NDArray[np.float64]
    colours: NDArray[np.float64]
    colour_variance: NDArray[np.float64]
    predicted: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    remaining: NDArray[np.float64]
    has_left: NDArray[np.bool_]

    @classmethod
    def allocate(cls, capacity: int, joints: int) -> Tracks:
        """Places for `capacity` people, all of them free."""
        return cls(
            state=np.zeros(capacity, np.int8),
            births=np.zeros(capacity, np.int64),
            ids=np.full(capacity, NO_ID, np.int64),
            seen_s=np.zeros(capacity),
            sightings=np.zeros(capacity, np.int64),
            centre=np.zeros((capacity, 2)),
            measured=np.zeros((capacity, 2)),
            velocity=np.zeros((capacity, 2)),
            covariance=np.zeros((capacity, 3)),
            size_px=np.zeros(capacity),
            offsets=np.zeros((capacity, joints, 2)),
            certainty=np.zeros((capacity, joints)),
            colours=np.full((capacity, 2, 3), -1.0),
            colour_variance=np.zeros((capacity, 2)),
            predicted=np.zeros((capacity, 2)),
            uncertainty=np.zeros((capacity, 3)),
            remaining=np.ones(capacity),
            has_left=np.zeros(capacity, np.bool_),
        )


class Found(NamedTuple):
    """The P people of one frame, in buffers with room for more.

    Attributes:
        keypoints: (P, J, 3) x, y, score.
        scores: (P,).
        boxes: (P, 4) left, top, right, bottom around the joints that are used.
        sizes_px: (P,) their diagonals, 0 where no joint is used.
        colours: (P, 2, 3) see `Tracks`.
        owners: (P,) int64 place of the track that each person is, -1 for nobody known.
    """

    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    sizes_px: NDArray[np.float64]
    colours: NDArray[np.float64]
    owners: NDArray[np.int64]

    @classmethod
    def allocate(cls, people: int, joints: int) -> Found:
        """Room for `people`."""
        return cls(
            keypoints=np.zeros((people, joints, 3)),
            scores=np.zeros(people),
            boxes=np.zeros((people, 4)),
            sizes_px=np.zeros(people),
            colours=np.full((people, 2, 3), -1.0),
            owners=np.full(people, -1, np.int64),
        )


class JointTraits(NamedTuple):
    """What tracking knows of each of the J joints.

    Attributes:
        sigmas: (J,) fall-off of the similarity, as in COCO's keypoint similarity.
        steadiness: (J,) how well the joint tells where the body is: 1 for the trunk and the head,
            less for what swings.
    """

    sigmas: NDArray[np.float64]
    steadiness: NDArray[np.float64]
