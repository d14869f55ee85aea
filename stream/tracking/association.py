"""Who of a frame is who: one step of all tracks of a source.

Sure people are compared with everybody who is believed first, doubtful people with who of them is
left and was seen lately (ByteTrack's two passes), then sure people with those not believed yet.
Whoever is sure and left over begins a track.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from stream.tracking.assignment import UNMATCHED, AssignmentScratch, assign
from stream.tracking.motion import begin, correct, predict
from stream.tracking.settings import Settings
from stream.tracking.similarity import is_duplicate, reach_px, similarity
from stream.tracking.tracks import CONFIRMED, FREE, TENTATIVE, Found, JointTraits, Tracks

_SURE, _DOUBTFUL, _NEW = 0, 1, 2  # the passes
_LEARN_SIGHTINGS = 3  # first sightings, whose colours are learned whoever is near


class Scratch(NamedTuple):
    """Working memory of a step for up to P people and C tracks.

    Attributes:
        cost: (P, C) float64.
        reach_px: (C,) how far from each track of a pass a person may be.
        people: (P,) int64 the people of a pass.
        places: (C,) int64 the tracks of a pass.
        matched: (C,) whether a track has been seen in this frame.
        assignment: Of the solver.
    """

    cost: NDArray[np.float64]
    reach_px: NDArray[np.float64]
    people: NDArray[np.int64]
    places: NDArray[np.int64]
    matched: NDArray[np.bool_]
    assignment: AssignmentScratch

    @classmethod
    def allocate(cls, people: int, capacity: int) -> Scratch:
        """Room for `people` in a frame and `capacity` tracks."""
        return cls(
            cost=np.zeros((people, capacity)),
            reach_px=np.zeros(capacity),
            people=np.zeros(people, np.int64),
            places=np.zeros(capacity, np.int64),
            matched=np.zeros(capacity, np.bool_),
            assignment=AssignmentScratch.allocate(people, capacity),
        )


@kernel
def identify(
    tracks: Tracks,
    found: Found,
    count: int,
    time_s: float,
    is_first: bool,
    next_id: int,
    id_step: int,
    traits: JointTraits,
    settings: Settings,
    picture: tuple[int, int],
    scratch: Scratch,
) -> int:
    """Fills `found.owners[:count]` with the place of each person's track; gives the next free
    identity.

    Args:
        time_s: Of the frame; never before that of the frame before.
        is_first: Whether nothing was seen before: then everybody is believed at once.
        picture: Width and height in pixels, (0, 0) where they are not known.
        next_id: Given to the next person who is believed, then raised by `id_step`.
    """
    _measure(found, count, settings.joint)
    _advance(tracks, time_s, settings, picture)
    scratch.matched[:] = False
    found.owners[:count] = UNMATCHED
    for which in (_SURE, _DOUBTFUL, _NEW):
        next_id = _pass(
            which, tracks, found, count, time_s, next_id, id_step, traits, settings, scratch
        )
    for person in range(count):
        if _may_be_born(found, count, person, traits, settings):
            place = _free_place(tracks)
            begin(tracks, place, found, person, time_s, settings)
            scratch.matched[place] = True
            found.owners[person] = place
            if is_first or settings.sightings <= 1:
                next_id = _confirm(tracks, place, next_id, id_step)
    return next_id


@kernel
def _measure(found: Found, count: int, threshold: float) -> None:
    for person in range(count):
        left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
        for joint in range(found.keypoints.shape[1]):
            x, y, score = found.keypoints[person, joint]
            if score >= threshold:
                left, right = min(left, x), max(right, x)
                top, bottom = min(top, y), max(bottom, y)
        size_px = np.hypot(right - left, bottom - top) if right >= left else 0.0
        found.sizes_px[person] = size_px
        box = found.boxes[person]
        box[0], box[1], box[2], box[3] = left, top, right, bottom


@kernel
def _advance(tracks: Tracks, time_s: float, settings: Settings, picture: tuple[int, int]) -> None:
    """Forgets who has been gone too long, and predicts the others."""
    width, height = picture
    for place in range(tracks.state.shape[0]):
        if tracks.state[place] == FREE:
            continue
        patience_s = settings.lost_s if tracks.state[place] == CONFIRMED else settings.tentative_s
        gap_s = time_s - tracks.seen_s[place]
        if gap_s > patience_s:
            tracks.state[place] = FREE
            continue
        predict(tracks, place, time_s, settings)
        x, y = tracks.predicted[place]
        is_outside = width > 0 and not (0.0 <= x < width and 0.0 <= y < height)
        tracks.has_left[place] = is_outside and gap_s > settings.leaving_s


@kernel
def _pass(
    which: int,
    tracks: Tracks,
    found: Found,
    count: int,
    time_s: float,
    next_id: int,
    id_step: int,
    traits: JointTraits,
    settings: Settings,
    scratch: Scratch,
) -> int:
    people, places = scratch.people, scratch.places
    rows = 0
    for person in range(count):
        sure = found.scores[person] >= settings.sure
        free = found.owners[person] == UNMATCHED and found.sizes_px[person] > 0.0
        if free and (sure or which == _DOUBTFUL):
            people[rows] = person
            rows += 1
    columns = 0
    for place in range(tracks.state.shape[0]):
        state = tracks.state[place]
        recent = time_s - tracks.seen_s[place] <= settings.recent_s or which == _SURE
        wanted = state == TENTATIVE if which == _NEW else state == CONFIRMED and recent
        if wanted and not scratch.matched[place]:
            places[columns] = place
            columns += 1
    if which == _SURE:
        limit = settings.sure_cost
    else:
        limit = settings.doubtful_cost if which == _DOUBTFUL else settings.tentative_cost
    for column in range(columns):
        place = places[column]
        scratch.reach_px[column] = reach_px(
            tracks.size_px[place], tracks.uncertainty[place, 0], limit, settings
        )
    for row in range(rows):
        person = people[row]
        left, top, right, bottom = found.boxes[person]
        across, down, half_px = left + right, top + bottom, 0.5 * found.sizes_px[person]
        for column in range(columns):
            scratch.cost[row, column] = np.inf
            place, farthest_px = places[column], scratch.reach_px[column] + half_px
            apart = (0.5 * across - tracks.predicted[place, 0]) ** 2
            apart += (0.5 * down - tracks.predicted[place, 1]) ** 2
            if apart > farthest_px**2:
                continue
            likeness = similarity(tracks, place, found, person, traits, settings, 1.0 - limit)
            if 1.0 - likeness < limit:
                scratch.cost[row, column] = 1.0 - likeness
    assign(scratch.cost, rows, columns, limit, scratch.assignment)
    for row in range(rows):
        column = scratch.assignment.column_of_row[row]
        if column == UNMATCHED:
            continue
        place, person = places[column], people[row]
        correct(tracks, place, found, person, time_s, traits, settings)
        _learn_colours(tracks, place, found, count, person, settings)
        scratch.matched[place] = True
        found.owners[person] = place
        if tracks.state[place] == TENTATIVE:
            if _is_second(found, count, person, traits, settings):
                tracks.state[place], found.owners[person] = FREE, UNMATCHED
            elif tracks.sightings[place] >= settings.sightings:
                next_id = _confirm(tracks, place, next_id, id_step)
    return next_id


@kernel
def _confirm(tracks: Tracks, place: int, next_id: int, id_step: int) -> int:
    tracks.state[place], tracks.ids[place] = CONFIRMED, next_id
    return next_id + id_step


@kernel
def _learn_colours(
    tracks: Tracks, place: int, found: Found, count: int, person: int, settings: Settings
) -> None:
    """Towards what is seen now, unless somebody may stand before the person."""
    sightings = tracks.sightings[place]
    if sightings >= _LEARN_SIGHTINGS and not _stands_alone(found, count, person, settings):
        return
    for part in range(2):
        if found.colours[person, part, 0] < 0.0:
            continue
        known = tracks.colours[place, part, 0] >= 0.0
        rate = max(settings.colour_rate, 1.0 / sightings) if known else 1.0
        squared = 0.0
        for value in range(3):
            change = found.colours[person, part, value] - tracks.colours[place, part, value]
            tracks.colours[place, part, value] += rate * change
            squared += change**2
        if known:
            variance = tracks.colour_variance[place, part]
            tracks.colour_variance[place, part] += settings.colour_rate * (squared / 3.0 - variance)


@kernel
def _stands_alone(found: Found, count: int, person: int, settings: Settings) -> bool:
    box = found.boxes[person]
    gap_px = settings.colour_gap * found.sizes_px[person]
    for other in range(count):
        if other == person or found.sizes_px[other] <= 0.0:
            continue
        beside = found.boxes[other]
        apart = max(box[0], beside[0]) - min(box[2], beside[2]) > gap_px
        if not apart and max(box[1], beside[1]) < min(box[3], beside[3]):
            return False
    return True


@kernel
def _may_be_born(
    found: Found, count: int, person: int, traits: JointTraits, settings: Settings
) -> bool:
    if (
        found.owners[person] != UNMATCHED
        or found.scores[person] < settings.birth
        or found.sizes_px[person] <= 0.0
    ):
        return False
    return not _is_second(found, count, person, traits, settings)


@kernel
def _is_second(
    found: Found, count: int, person: int, traits: JointTraits, settings: Settings
) -> bool:
    """Whether somebody who is recognised in this frame has nearly the same joints."""
    for other in range(count):
        if (
            other != person
            and found.owners[other] != UNMATCHED
            and is_duplicate(found, person, other, traits, settings)
        ):
            return True
    return False


@kernel
def _free_place(tracks: Tracks) -> int:
    """A free place, else that of whoever is missing the longest."""
    oldest = 0
    for place in range(tracks.state.shape[0]):
        if tracks.state[place] == FREE:
            return place
        if tracks.seen_s[place] < tracks.seen_s[oldest]:
            oldest = place
    return oldest
