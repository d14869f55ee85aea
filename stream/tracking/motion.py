"""Where people are taken to be, and what a sighting changes: a Kalman filter of constant velocity.

Both axes share one covariance: a person's centre is as uncertain across the image as down it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from stream.tracking.settings import Settings
from stream.tracking.tracks import NO_ID, TENTATIVE, Found, JointTraits, Tracks

_FADE = 0.8  # of a joint's certainty, at each sighting without it
_GROW, _SHRINK = 0.3, 0.1  # of a person's size towards a larger, a smaller one: hiding is sudden


@kernel
def predict(tracks: Tracks, place: int, time_s: float, settings: Settings) -> None:
    """Fills `predicted`, `uncertainty` and `remaining` of one place; who is out of sight slows
    down.
    """
    gap_s = max(0.0, time_s - tracks.seen_s[place])
    remaining = math.exp(-gap_s / settings.halt_s)
    reach_s = settings.halt_s * (1.0 - remaining)
    for axis in range(2):
        tracks.predicted[place, axis] = (
            tracks.centre[place, axis] + reach_s * tracks.velocity[place, axis]
        )
    force = (settings.acceleration * tracks.size_px[place]) ** 2
    position, both, velocity = tracks.covariance[place]
    uncertainty = tracks.uncertainty[place]
    uncertainty[0] = (
        position + 2.0 * reach_s * both + reach_s**2 * velocity + 0.25 * force * gap_s**4
    )
    uncertainty[1] = remaining * (both + reach_s * velocity) + 0.5 * force * gap_s**3
    uncertainty[2] = remaining**2 * velocity + force * gap_s**2
    tracks.remaining[place] = remaining


@kernel
def displacement(
    tracks: Tracks,
    place: int,
    keypoints: NDArray[np.float64],
    traits: JointTraits,
    threshold: float,
) -> tuple[float, float, float]:
    """How far (px) the joints (J, 3) are from where those of a track are taken to be, on average;
    and the weight of that, 0 without a common joint.
    """
    centre_x, centre_y = tracks.predicted[place]
    across, down, total = 0.0, 0.0, 0.0
    for joint in range(keypoints.shape[0]):
        certainty, score = tracks.certainty[place, joint], keypoints[joint, 2]
        if score < threshold or certainty < threshold:
            continue
        weight = min(score, certainty) * traits.steadiness[joint]
        across += weight * (keypoints[joint, 0] - centre_x - tracks.offsets[place, joint, 0])
        down += weight * (keypoints[joint, 1] - centre_y - tracks.offsets[place, joint, 1])
        total += weight
    if total > 0:
        across, down = across / total, down / total
    return across, down, total


@kernel
def correct(
    tracks: Tracks,
    place: int,
    found: Found,
    person: int,
    time_s: float,
    traits: JointTraits,
    settings: Settings,
) -> None:
    """The track at `place` has been seen as `person`."""
    keypoints, size_px = found.keypoints[person], tracks.size_px[place]
    offset = displacement(tracks, place, keypoints, traits, settings.joint)
    position, both, velocity = tracks.uncertainty[place]
    total = position + (settings.measurement * size_px) ** 2
    gain, velocity_gain = position / total, both / total
    for axis in range(2):
        tracks.centre[place, axis] = tracks.predicted[place, axis] + gain * offset[axis]
        tracks.velocity[place, axis] = (
            tracks.remaining[place] * tracks.velocity[place, axis] + velocity_gain * offset[axis]
        )
    tracks.covariance[place, 0] = (1.0 - gain) * position
    tracks.covariance[place, 1] = (1.0 - gain) * both
    tracks.covariance[place, 2] = velocity - velocity_gain * both
    for axis in range(2):  # joints are remembered around where they were seen, not predicted
        tracks.measured[place, axis] = tracks.predicted[place, axis] + offset[axis]
    _remember(tracks, place, keypoints, settings.joint, _FADE)
    change_px = found.sizes_px[person] - size_px
    tracks.size_px[place] += (_GROW if change_px > 0 else _SHRINK) * change_px
    tracks.seen_s[place] = time_s
    tracks.sightings[place] += 1


@kernel
def begin(
    tracks: Tracks, place: int, found: Found, person: int, time_s: float, settings: Settings
) -> None:
    """`place` is now `person`, who is new."""
    keypoints, size_px = found.keypoints[person], found.sizes_px[person]
    left, top, right, bottom = found.boxes[person]
    tracks.centre[place, 0], tracks.centre[place, 1] = 0.5 * (left + right), 0.5 * (top + bottom)
    tracks.measured[place] = tracks.centre[place]
    tracks.velocity[place] = 0.0
    tracks.covariance[place, 0] = (settings.measurement * size_px) ** 2
    tracks.covariance[place, 1] = 0.0
    tracks.covariance[place, 2] = (settings.speed * size_px) ** 2
    tracks.size_px[place] = size_px
    _remember(tracks, place, keypoints, settings.joint, 0.0)
    tracks.colours[place] = found.colours[person]
    tracks.colour_variance[place] = settings.colour**2
    tracks.state[place], tracks.ids[place] = TENTATIVE, NO_ID
    tracks.seen_s[place], tracks.sightings[place] = time_s, 1
    tracks.births[place] += 1


@kernel
def _remember(
    tracks: Tracks, place: int, keypoints: NDArray[np.float64], threshold: float, fade: float
) -> None:
    for joint in range(keypoints.shape[0]):
        if keypoints[joint, 2] >= threshold:
            for axis in range(2):
                tracks.offsets[place, joint, axis] = (
                    keypoints[joint, axis] - tracks.measured[place, axis]
                )
            tracks.certainty[place, joint] = keypoints[joint, 2]
        else:
            tracks.certainty[place, joint] *= fade
