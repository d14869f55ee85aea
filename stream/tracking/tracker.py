"""Identities of the people of one source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from configs import KeypointSet
from grouping import People
from stream.tracking.association import Scratch, identify
from stream.tracking.colour import ClothedJoints, clothed_joints, sample_colours
from stream.tracking.settings import Settings
from stream.tracking.smoothing import SmoothedJoints, SmoothingSettings, smooth_joints
from stream.tracking.tracks import CONFIRMED, NO_ID, Found, JointTraits, Tracks

_SWINGING = {"elbow": 0.5, "knee": 0.5, "wrist": 0.25, "ankle": 0.25}
_SMALLEST_ROOM = 32  # people
_TRACKS_PER_PERSON = 3  # places for those who are gone for a moment
_USUAL_STEP_S = 0.04  # taken where a clock goes backwards
_FARTHEST_PX = 1e6
_COVERED = 0.3  # IoU of boxes around joints; two people who pass have less but for a moment
_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


class Tracker:
    """Gives the people of one source identities that last. One thread owns it; it runs without the
    GIL, and its memory does not grow with time.

    Args:
        keypoint_set: Of the people.
        settings: The numbers that identities are kept by.
        smooth: Whether `track` takes jitter out of joints.
        bridge_s: How long `track` adds somebody who is missed, where they are taken to be.
        first_id: The first identity that is given.
        id_step: How far the next one is from it, so that trackers of several sources can number
            people without sharing a number.
    """

    def __init__(
        self,
        keypoint_set: KeypointSet,
        settings: Settings | None = None,
        *,
        smooth: bool | SmoothingSettings = False,
        bridge_s: float = 0.0,
        first_id: int = 1,
        id_step: int = 1,
    ) -> None:
        self.keypoint_set = keypoint_set
        self.settings = settings or Settings()
        self._joints = len(keypoint_set)
        self._traits = joint_traits(keypoint_set)
        self._clothes = clothed_joints(keypoint_set)
        self._smoothing = SmoothingSettings() if smooth is True else smooth or None
        self._bridge_s = bridge_s
        self._next_id, self._id_step = first_id, id_step
        self._room = 0
        self._tracks: Tracks
        self._smoothed: SmoothedJoints
        self._found: Found
        self._scratch: Scratch
        self._is_first = True
        self._clock_s = 0.0
        self._last_time_s = 0.0

    @property
    def tracks(self) -> Tracks:
        """What is remembered, to look at; there from the first frame on."""
        return self._tracks

    @property
    def found(self) -> Found:
        """Who was found in the last frame, to look at; there from the first frame on."""
        return self._found

    def track(
        self,
        people: People,
        time_s: float,
        image: NDArray[np.uint8] | None = None,
        *,
        colours: NDArray[np.float64] | None = None,
    ) -> People:
        """The same people with their `ids`, joints smoothed if that was asked for; behind them, if
        that was, those who are missed, with a score of 0.

        Args:
            people: As for `update`.
            time_s: As for `update`.
            image: As for `update`.
            colours: As for `update`.
        """
        ids = self.update(people, time_s, image, colours=colours)
        keypoints = people.keypoints
        if self._smoothing is not None and len(people):
            keypoints = keypoints.copy()
            owners = self._found.owners[: len(people)]
            smooth_joints(
                self._smoothed, owners, self._tracks.births, self._tracks.size_px, self._clock_s,
                self._smoothing,
                keypoints,
            )  # fmt: skip
        tracked = replace(people, keypoints=keypoints, ids=ids)
        return self._bridged(tracked) if self._bridge_s else tracked

    def sample_colours(self, people: People, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """What `people` wear in `image`, for `update` later, when the image is gone.

        Args:
            people: As for `update`.
            image: As for `update`.

        Returns:
            (P, 2, 3) mean colours of torso and legs (`stream.tracking.colour`).
        """
        count = len(people)
        self._make_room(count)
        self._find(people)
        _see_colours(image, self._found, count, self._clothes, self.settings.joint)
        return self._found.colours[:count].copy()

    def update(
        self,
        people: People,
        time_s: float,
        image: NDArray[np.uint8] | None = None,
        *,
        colours: NDArray[np.float64] | None = None,
    ) -> NDArray[np.int64]:
        """(P,) identity of everybody in a frame, -1 for people who are not believed (yet).

        Args:
            people: In pixels that stay the same from frame to frame.
            time_s: Stream time. Frames that were dropped in between do not matter; a clock that
                goes backwards is taken to have gone on as usual.
            image: (H, W, 3) uint8 BGR that `people` were found in, for the colours of what they
                wear; None leaves colours out.
            colours: What `sample_colours` said of that image, which then only has its shape.
        """
        count = len(people)
        self._make_room(count)
        found = self._found
        self._find(people)
        if colours is not None:
            found.colours[:count] = colours
        else:
            seen = _NO_IMAGE if image is None else image
            _see_colours(seen, found, count, self._clothes, self.settings.joint)
        self._next_id = identify(
            self._tracks, found, count, self._advance_clock(time_s), self._is_first, self._next_id,
            self._id_step, self._traits, self.settings,
            (0, 0) if image is None else (image.shape[1], image.shape[0]), self._scratch,
        )  # fmt: skip
        self._is_first = self._is_first and count == 0
        owners = found.owners[:count]
        return np.where(owners >= 0, self._tracks.ids[owners], NO_ID)

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them from the cache, before the first frame is waiting."""
        people = People(
            np.ones((2, self._joints, 3), np.float32),
            np.ones(2, np.float32),
            np.zeros((2, 1), np.float32),
        )
        spare = Tracker(self.keypoint_set, self.settings, smooth=True)
        for time_s in (0.0, 0.04):
            spare.track(people, time_s, np.zeros((8, 8, 3), np.uint8))

    def _bridged(self, people: People) -> People:
        """`people`, and behind them who is believed, not seen now, but was lately, unless somebody
        is there.
        """
        tracks = self._tracks
        gap_s = self._clock_s - tracks.seen_s
        missed = (tracks.state == CONFIRMED) & (gap_s > 0) & (gap_s <= self._bridge_s)
        (places,) = np.nonzero(missed & ~tracks.has_left & ~self._scratch.matched)
        if not len(places):
            return people
        joints = np.concatenate(
            (
                tracks.predicted[places, None] + tracks.offsets[places],
                tracks.certainty[places, :, None],
            ),
            axis=2,
        )
        unseen = People(
            joints.astype(np.float32),
            np.zeros(len(places), np.float32),
            np.zeros((len(places), people.tags.shape[1]), np.float32),
            tracks.ids[places],
        )
        unseen = unseen.only(~_are_covered(unseen.boxes, people.boxes))
        assert people.ids is not None and unseen.ids is not None
        return People(
            np.concatenate((people.keypoints, unseen.keypoints)),
            np.concatenate((people.scores, unseen.scores)),
            np.concatenate((people.tags, unseen.tags)),
            np.concatenate((people.ids, unseen.ids)),
        )

    def _find(self, people: People) -> None:
        """Copies who is in a frame into `found`, for which there is room."""
        found, count = self._found, len(people)
        found.keypoints[:count] = people.keypoints
        found.scores[:count] = people.scores
        _leave_out_unusable(found.keypoints[:count])

    def _make_room(self, people: int) -> None:
        """Buffers for so many people; tracks are kept when they grow."""
        if 0 < self._room >= people:
            return
        room = max(_SMALLEST_ROOM, self._room)
        while room < people:
            room *= 2
        capacity = room * _TRACKS_PER_PERSON
        tracks = Tracks.allocate(capacity, self._joints)
        smoothed = SmoothedJoints.allocate(capacity, self._joints)
        if self._room:
            for old, new in zip(self._smoothed, smoothed, strict=True):
                new[: len(old)] = old
            for name in Tracks._fields:
                old, new = getattr(self._tracks, name), getattr(tracks, name)
                new[: len(old)] = old
        self._tracks, self._smoothed = tracks, smoothed
        self._found = Found.allocate(room, self._joints)
        self._scratch = Scratch.allocate(room, capacity)
        self._room = room

    def _advance_clock(self, time_s: float) -> float:
        """A time that never goes backwards: where the stream's does, it began again."""
        step_s = time_s - self._last_time_s
        self._last_time_s = time_s
        self._clock_s += step_s if step_s > 0 else _USUAL_STEP_S
        return self._clock_s


def joint_traits(keypoint_set: KeypointSet) -> JointTraits:
    """The sigmas of `keypoint_set`, and how steady each joint is, by its name."""
    steadiness = [
        next((value for name, value in _SWINGING.items() if name in joint), 1.0)
        for joint in keypoint_set.names
    ]
    return JointTraits(np.array(keypoint_set.sigmas, float), np.array(steadiness, float))


def _are_covered(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(P,) whether one of `others` (Q, 4) has an IoU above `_COVERED` with each of `boxes` (P, 4):
    most likely it is the same person, taken for somebody else.
    """
    corner, size = boxes[:, None, :2], boxes[:, None, 2:]
    other_corner, other_size = others[None, :, :2], others[None, :, 2:]
    far = np.minimum(corner + size, other_corner + other_size)
    common = np.clip(far - np.maximum(corner, other_corner), 0, None).prod(axis=2)
    union = size.prod(axis=2) + other_size.prod(axis=2) - common
    covered: NDArray[np.bool_] = (common > _COVERED * union).any(axis=1)
    return covered


@kernel
def _leave_out_unusable(keypoints: NDArray[np.float64]) -> None:
    """Joints nowhere near an image (not finite, or beyond a million pixels) get score 0."""
    for person in range(keypoints.shape[0]):
        for joint in range(keypoints.shape[1]):
            x, y, score = keypoints[person, joint]
            if not (abs(x) < _FARTHEST_PX and abs(y) < _FARTHEST_PX and score > 0.0):
                keypoints[person, joint, :] = 0.0


@kernel
def _see_colours(
    image: NDArray[np.uint8],
    found: Found,
    count: int,
    clothes: ClothedJoints,
    threshold: float,
) -> None:
    for person in range(count):
        sample_colours(image, found.keypoints[person], clothes, threshold, found.colours[person])
