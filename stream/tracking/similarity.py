"""How much somebody found is like somebody known, 0 to 1."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from stream.tracking.motion import displacement
from stream.tracking.settings import Settings
from stream.tracking.tracks import Found, JointTraits, Tracks

# The square root of a person's area over the diagonal of their box, which COCO's fall-off is meant
# for: the box of a person who stands is about 0.35 as wide as high, and half of it is the person.
_SCALE = 0.42
_VAGUE_FROM = 0.1  # sizes; a place known better than this is known well
_FAR = 6.0  # standard deviations from which nothing else is looked at
_REACH = 0.9  # sizes from a track's centre to its joints at most, after others were missing
_LEAST_COMMON = 3  # joints that two people must share to be the same one found twice


@kernel
def reach_px(size_px: float, variance: float, limit: float, settings: Settings) -> float:
    """How far from where a track is taken to be the centre of a person's box can be, apart from
    half the person's own size, if they are alike by more than 1 - `limit`.

    Distances of centres cost a fiftieth of `similarity`, and rule out most pairs of a crowd. The
    displacement of joints is smaller by no more than the reaches of both bodies.
    """
    farthest = min(_FAR, math.sqrt(-2.0 * math.log(1.0 - limit) / settings.position_share))
    deviation_px = math.sqrt(variance + (settings.measurement * size_px) ** 2)
    return farthest * deviation_px + _REACH * size_px


@kernel
def similarity(
    tracks: Tracks,
    place: int,
    found: Found,
    person: int,
    traits: JointTraits,
    settings: Settings,
    least: float,
) -> float:
    """Joints near where they are expected, the whole body near, of like size, in like clothes; 0
    where it would be less than `least`.
    """
    keypoints, size_px = found.keypoints[person], tracks.size_px[place]
    across, down, weight = displacement(tracks, place, keypoints, traits, settings.joint)
    if weight <= 0.0:
        return 0.0
    variance = tracks.uncertainty[place, 0]
    distance = (across**2 + down**2) / (variance + (settings.measurement * size_px) ** 2)
    if distance > _FAR**2:
        return 0.0
    ratio = math.log(found.sizes_px[person] / size_px) / settings.size_ratio
    vague = (_VAGUE_FROM * size_px) ** 2
    exponent = (
        -0.5 * settings.position_share * distance
        + settings.vagueness * math.log(vague / (vague + variance))
        - 0.5 * ratio**2
        - _colour_difference(
            tracks.colours[place],
            tracks.colour_variance[place],
            found.colours[person],
            settings,
        )
    )
    if tracks.has_left[place]:
        exponent -= settings.outside
    likeness = math.exp(exponent)
    if likeness < least:  # which joints can only lower
        return 0.0
    joints = _joint_similarity(tracks, place, keypoints, traits, settings)
    return likeness * math.pow(joints, 1.0 - settings.position_share)


@kernel
def _joint_similarity(
    tracks: Tracks,
    place: int,
    keypoints: NDArray[np.float64],
    traits: JointTraits,
    settings: Settings,
) -> float:
    """Object keypoint similarity with the uncertainty of the prediction in its fall-off; joints
    count by their scores.
    """
    variance = tracks.uncertainty[place, 0]
    scale = settings.spread * 2.0 * _SCALE * tracks.size_px[place]
    centre_x, centre_y = tracks.predicted[place]
    total, weights = 0.0, 0.0
    for joint in range(keypoints.shape[0]):
        weight = min(keypoints[joint, 2], tracks.certainty[place, joint])
        if weight < settings.joint:
            continue
        across = keypoints[joint, 0] - centre_x - tracks.offsets[place, joint, 0]
        down = keypoints[joint, 1] - centre_y - tracks.offsets[place, joint, 1]
        width = (scale * traits.sigmas[joint]) ** 2 + variance
        total += weight * math.exp(-0.5 * (across**2 + down**2) / width)
        weights += weight
    return total / weights


@kernel
def _colour_difference(
    known: NDArray[np.float64],
    variance: NDArray[np.float64],
    seen: NDArray[np.float64],
    settings: Settings,
) -> float:
    """Half the squared difference in standard deviations, mean over torso and legs; a typical one
    where either is not known. Colours that change from sighting to sighting say less.
    """
    total = 0.0
    for part in range(2):
        if known[part, 0] < 0.0 or seen[part, 0] < 0.0:
            total += settings.colour_unknown
            continue
        squared = 0.0
        for value in range(3):
            squared += (known[part, value] - seen[part, value]) ** 2
        total += squared / (3.0 * max(settings.colour**2, variance[part]))
    return min(0.25 * total, settings.colour_most)


@kernel
def is_duplicate(
    found: Found, first: int, second: int, traits: JointTraits, settings: Settings
) -> bool:
    """Whether two people found in one frame are the same one, found twice."""
    size_px = max(found.sizes_px[first], found.sizes_px[second])
    scale = settings.spread * 2.0 * _SCALE * size_px
    total, common = 0.0, 0
    for joint in range(traits.sigmas.shape[0]):
        one, other = found.keypoints[first, joint], found.keypoints[second, joint]
        if min(one[2], other[2]) < settings.joint:
            continue
        squared = (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2
        total += math.exp(-0.5 * squared / (scale * traits.sigmas[joint]) ** 2)
        common += 1
    return common >= _LEAST_COMMON and total > settings.duplicate * common
