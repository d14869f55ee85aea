"""Identities last through crossings, gaps, drops and doubt, whatever the order of people."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import ConfigError, load_keypoint_set
from grouping import People
from stream.frame import Frame
from stream.tracking import Tracker, TrackingConfig, TrackingStage
from stream.tracking.settings import Settings, settings_for
from stream.tracking.similarity import reach_px, similarity
from stream.tracking.tracker import joint_traits
from stream.tracking.tracks import CONFIRMED
from tests.stream.tracking.walkers import Walker, crowd, people_of

COCO = load_keypoint_set("coco")
FPS = 25.0


def identities(
    tracker: Tracker, walkers: list[Walker], times_s: np.ndarray, *, hidden: Any = ()
) -> list[list[int]]:
    """For each walker the identities it had; `hidden` holds (walker, frame) that are missed."""
    had: list[list[int]] = [[] for _ in walkers]
    for frame, time_s in enumerate(times_s):
        there = [index for index in range(len(walkers)) if (index, frame) not in hidden]
        people = people_of([walkers[index].joints(float(time_s)) for index in there])
        for index, identity in zip(there, tracker.update(people, float(time_s)), strict=True):
            had[index].append(int(identity))
    return had


def at_rate(seconds: float, fps: float = FPS) -> np.ndarray:
    return np.arange(round(seconds * fps)) / fps


def test_people_who_walk_past_each_other_keep_their_identities() -> None:
    left, right = Walker(100, 50), Walker(500, 62, speed_px_s=-80, height_px=140, phase=0.4)
    first, second = identities(Tracker(COCO), [left, right], at_rate(5))
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_the_order_of_people_in_a_frame_changes_no_identity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    walkers = crowd(8, seed)
    ordered, shuffled = Tracker(COCO), Tracker(COCO)
    names: dict[int, int] = {}
    for time_s in at_rate(2, 12.5):
        joints = [walker.joints(float(time_s)) for walker in walkers]
        order = rng.permutation(len(walkers))
        expected = ordered.update(people_of(joints), float(time_s))
        seen = shuffled.update(people_of([joints[index] for index in order]), float(time_s))
        for place, index in enumerate(order):
            assert names.setdefault(int(expected[index]), int(seen[place])) == seen[place]
    assert len(set(names.values())) == len(names) == 8


@given(scale=st.sampled_from([0.25, 0.5, 2.0, 4.0, 10.0]), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_the_size_of_the_image_changes_no_identity(scale: float, seed: int) -> None:
    walkers = crowd(6, seed)
    plain, scaled = Tracker(COCO), Tracker(COCO)
    for time_s in at_rate(2, 10):
        people = people_of([walker.joints(float(time_s)) for walker in walkers])
        factor = np.array([scale, scale, 1], np.float32)
        larger = replace(people, keypoints=people.keypoints * factor)
        assert (plain.update(people, time_s) == scaled.update(larger, time_s)).all()


@given(origin_s=st.floats(0, 1e6), fps=st.sampled_from([5.0, 10.0, 25.0, 60.0]))
@settings(max_examples=15, deadline=None)
def test_time_is_what_counts_not_the_number_of_frames(origin_s: float, fps: float) -> None:
    walkers = [Walker(100, 50), Walker(500, 62, speed_px_s=-80, height_px=140, phase=0.4)]
    tracker = Tracker(COCO)
    had: list[set[int]] = [set(), set()]
    for time_s in at_rate(5, fps):
        people = people_of([walker.joints(float(time_s)) for walker in walkers])
        for index, identity in enumerate(tracker.update(people, origin_s + float(time_s))):
            had[index].add(int(identity))
    assert [len(names) for names in had] == [1, 1]


def test_two_of_three_frames_may_be_dropped_at_random() -> None:
    walkers = crowd(10, seed=3)
    rng = np.random.default_rng(0)
    kept = at_rate(8)[rng.random(200) < 1 / 3]
    for had in identities(Tracker(COCO), walkers, kept):
        assert len(set(had)) == 1


def test_somebody_who_is_missed_for_a_second_comes_back_as_the_same() -> None:
    walkers = [Walker(100, 50), Walker(900, 300)]
    hidden = {(0, frame) for frame in range(40, 65)}
    first, second = identities(Tracker(COCO), walkers, at_rate(4), hidden=hidden)
    assert len(set(first)) == len(set(second)) == 1


def test_somebody_who_is_gone_for_long_comes_back_as_somebody_new() -> None:
    hidden = {(0, frame) for frame in range(40, 140)}
    walkers = [Walker(100, 50), Walker(900, 300)]
    first, second = identities(Tracker(COCO), walkers, at_rate(8), hidden=hidden)
    assert len(set(first) - {-1}) == 2
    assert len(set(second)) == 1


def test_a_ghost_of_one_frame_gets_no_identity() -> None:
    tracker, walker = Tracker(COCO), Walker(100, 50)
    for frame, time_s in enumerate(at_rate(2)):
        joints = [walker.joints(float(time_s))]
        if frame % 10 == 5:
            joints.append(Walker(300 + 41 * frame, 400).joints(0.0))
        ids = tracker.update(people_of(joints), float(time_s))
        assert ids[0] == 1
        assert (ids[1:] == -1).all()


def test_who_is_there_in_the_first_frame_is_known_at_once() -> None:
    people = people_of([Walker(100, 50).joints(0.0), Walker(500, 50).joints(0.0)])
    assert Tracker(COCO).update(people, 0.0).tolist() == [1, 2]


def test_nobody_is_a_normal_frame() -> None:
    tracker = Tracker(COCO)
    assert tracker.track(people_of([]), 0.0).ids is not None
    assert tracker.update(people_of([Walker(100, 50).joints(0.0)]), 0.04).tolist() == [1]
    assert tracker.update(people_of([]), 0.08).tolist() == []


def test_doubtful_people_are_recognised_but_never_born() -> None:
    tracker = Tracker(COCO, settings_for(0.4, 2.0))
    walker, stranger = Walker(100, 50), Walker(500, 300)
    for frame, time_s in enumerate(at_rate(3)):
        joints = [walker.joints(float(time_s)), stranger.joints(float(time_s))]
        score = 0.8 if frame < 10 or frame % 5 == 0 else 0.25
        ids = tracker.update(people_of(joints, [score, 0.3]), float(time_s))
        assert ids.tolist() == [1, -1]


def test_one_person_found_twice_is_one_person() -> None:
    tracker, walker = Tracker(COCO), Walker(100, 50)
    for time_s in at_rate(2):
        joints = walker.joints(float(time_s))
        twin = joints + np.array([2, 1, 0], np.float32)
        ids = tracker.update(people_of([joints, twin], [0.9, 0.7]), float(time_s))
        assert sorted(ids.tolist())[-1] == 1
        assert (ids > 0).sum() == 1


def test_one_person_found_as_two_different_skeletons_gets_one_identity() -> None:
    """Both skeletons of a person jitter by a few pixels; the weaker one comes and goes."""
    rng = np.random.default_rng(0)
    tracker, walker, known = Tracker(COCO, settings_for(0.1, 2.0)), Walker(100, 50), set()
    for frame, time_s in enumerate(at_rate(6, 10)):
        joints = [walker.joints(float(time_s)) for _ in range(1 + (frame % 3 != 0))]
        for skeleton in joints:
            skeleton[:, :2] += rng.normal(0, 2.5, 2) + rng.normal(0, 3.0, (17, 2))
        ids = tracker.update(people_of(joints, [0.55, 0.25][: len(joints)]), float(time_s))
        known |= set(ids[ids >= 0].tolist())
    assert known == {1}


def test_who_walks_out_of_the_picture_is_not_who_comes_in_there_next() -> None:
    tracker, image = Tracker(COCO), np.full((300, 640, 3), 128, np.uint8)
    had: dict[str, int] = {}
    for time_s in at_rate(5, 10):
        leaver, comer = Walker(400, 60), Walker(900, 66, speed_px_s=-80)
        seen = {}
        for name, walker in (("leaver", leaver), ("comer", comer)):
            joints = walker.joints(float(time_s))
            if joints[:, 0].min() > 0 and joints[:, 0].max() < 640:
                seen[name] = joints
        ids = tracker.update(people_of(list(seen.values())), float(time_s), image)
        had.update(zip(seen, ids.tolist(), strict=True))
    assert had["leaver"] != had["comer"]
    assert -1 not in had.values()


def test_what_is_remembered_of_joints_stays_around_the_body_of_somebody_who_turns_round() -> None:
    """Else predictions start from the noise of the last frame, and centres drift from bodies."""
    rng = np.random.default_rng(1)
    tracker = Tracker(COCO)
    for time_s in at_rate(24):
        there_s = abs((time_s + 4) % 16 - 8) - 4
        joints = Walker(600, 50, speed_px_s=100).joints(there_s)
        joints[:, :2] += rng.normal(0, 4.0, 2)
        tracker.update(people_of([joints]), float(time_s))
    offsets = np.linalg.norm(tracker.tracks.offsets[0], axis=1)
    assert offsets.max() < 0.7 * tracker.tracks.size_px[0]


def test_the_gate_by_distance_rules_out_nobody_who_is_alike() -> None:
    settings, limit = Settings(), 0.93
    tracker, walkers = Tracker(COCO, settings), crowd(60, seed=5)
    for time_s in at_rate(4, 10):
        tracker.update(people_of([walker.joints(float(time_s)) for walker in walkers]), time_s)
    tracks, found = tracker.tracks, tracker.found
    tracks.predicted[:] = tracks.centre
    tracks.uncertainty[:] = tracks.covariance
    centres = (found.boxes[:60, :2] + found.boxes[:60, 2:]) / 2
    alike, near, traits = 0, 0, joint_traits(COCO)
    for place in np.flatnonzero(tracks.state == CONFIRMED):
        reach = reach_px(tracks.size_px[place], tracks.uncertainty[place, 0], limit, settings)
        apart = np.linalg.norm(centres - tracks.predicted[place], axis=1)
        reached = apart <= reach + 0.5 * found.sizes_px[:60]
        near += int(reached.sum())
        for person in range(60):
            likeness = similarity(tracks, int(place), found, person, traits, settings, 0.0)
            if 1.0 - likeness < limit:
                alike += 1
                assert reached[person]
    assert 60 <= alike <= near < 0.3 * 60 * 60


@pytest.mark.parametrize("dependable", [True, False])
def test_colours_count_as_far_as_they_have_been_the_same(dependable: bool) -> None:
    """Two people stand apart; then each has the other's colours."""
    rng = np.random.default_rng(0)
    tracker, walkers = Tracker(COCO), [Walker(100, 50, 0.0), Walker(400, 50, 0.0)]
    people = people_of([walker.joints(0.0) for walker in walkers])
    for time_s in at_rate(4, 10):
        image = np.full((300, 640, 3), 128, np.uint8)
        colours = (
            rng.integers(60, 200, (2, 3)) if not dependable else [(30, 30, 200), (30, 200, 30)]
        )
        image[:, :250], image[:, 250:] = colours
        tracker.update(people, time_s, image)
    spread = tracker.tracks.colour_variance[:2]
    assert (spread <= tracker.settings.colour**2).all() == dependable


def test_clothes_tell_people_apart_who_meet_and_turn_round() -> None:
    """Motion alone says that they pass; colours say that both went back."""
    red, blue = (30, 30, 200), (200, 60, 30)
    switches = {}
    for coloured in (False, True):
        tracker = Tracker(COCO)
        names: list[tuple[int, ...]] = []
        for time_s in at_rate(6, 12.5):
            away = abs(time_s - 3) * 60
            pair = [Walker(400 - away, 100, speed_px_s=0), Walker(402 + away, 100, speed_px_s=0)]
            image = np.full((400, 900, 3), 128, np.uint8)
            joints = [walker.joints(float(time_s)) for walker in pair]
            for person, colour in zip(joints, (red, blue), strict=True):
                x, y = person[11:13, 0].mean(), person[11, 1]
                image[int(y - 70) : int(y + 90), int(x - 30) : int(x + 30)] = colour
            if 2.6 < time_s < 3.4:  # one hides the other
                joints = joints[1:]
            ids = tracker.update(people_of(joints), float(time_s), image if coloured else None)
            if len(ids) == 2:
                names.append(tuple(ids.tolist()))
        switches[coloured] = len(set(names)) - 1
    assert switches[True] == 0


def test_a_clock_that_goes_backwards_loses_nobody() -> None:
    tracker = Tracker(COCO)
    times = [*at_rate(2), *at_rate(2)]
    walkers = [Walker(100, 50, speed_px_s=0), Walker(500, 62, speed_px_s=0)]
    for time_s in times:
        ids = tracker.update(people_of([walker.joints(0.0) for walker in walkers]), float(time_s))
    assert ids.tolist() == [1, 2]


@pytest.mark.parametrize("worst", [np.nan, np.inf, -np.inf, 1e30])
def test_joints_that_are_no_numbers_change_nothing_for_others(worst: float) -> None:
    tracker, walker = Tracker(COCO), Walker(100, 50)
    for time_s in at_rate(1):
        broken = np.full((17, 3), worst, np.float32)
        ids = tracker.update(people_of([broken, walker.joints(float(time_s))]), float(time_s))
        assert ids[1] in (1, 2)
    half = walker.joints(1.0)
    half[::2, :2] = worst
    assert tracker.update(people_of([half]), 1.0)[0] == ids[1]


def test_a_crowd_larger_than_expected_is_tracked_too() -> None:
    tracker = Tracker(COCO)
    for time_s in at_rate(1, 10):
        few = people_of([walker.joints(float(time_s)) for walker in crowd(3)])
        many = people_of([walker.joints(float(time_s)) for walker in crowd(100)])
        few_ids = tracker.update(few if time_s < 0.5 else many, float(time_s))
    assert (few_ids >= 0).all()
    assert len(set(few_ids.tolist())) == 100


def test_memory_is_flat_over_a_day() -> None:
    """24 hours at one frame every twelve seconds: 7,200 frames, in which people come and go."""
    tracker = Tracker(COCO)
    rng = np.random.default_rng(0)
    crowds = [
        people_of([walker.joints(float(step)) for walker in crowd(int(rng.integers(0, 9)), step)])
        for step in range(50)
    ]

    def hours(first: int, last: int) -> Counter[int]:
        seen: Counter[int] = Counter()
        for frame in range(first * 300, last * 300):
            seen.update(tracker.update(crowds[frame % 50], 12.0 * frame).tolist())
        return seen

    hours(0, 1)
    tracemalloc.start()
    try:
        hours(1, 2)
        early, _ = tracemalloc.get_traced_memory()
        hours(2, 24)
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert late - early < 7_000  # bytes


def make_frame(time_s: float, source: int = 0) -> Frame:
    image = np.zeros((16, 16, 3), np.uint8)
    return Frame(image, f"camera {source}", 0, time_s, 0, source_index=source)


def test_sources_never_share_an_identity() -> None:
    stage = TrackingStage(COCO, sources=3)
    seen: list[set[int]] = [set(), set(), set()]
    for time_s in at_rate(2, 10):
        for source in range(3):
            walkers = crowd(4, seed=source + 10 * (time_s > 1))
            people = people_of([walker.joints(float(time_s)) for walker in walkers])
            found = stage(make_frame(float(time_s), source), people)
            assert found.ids is not None
            seen[source] |= set(found.ids[found.ids >= 0].tolist())
    assert all(len(names) >= 4 for names in seen)
    assert len(set.union(*seen)) == sum(map(len, seen))


def test_the_stage_keeps_doubtful_people_only_if_they_are_recognised() -> None:
    stage = TrackingStage(COCO, min_score=0.4)
    walker, ghost = Walker(100, 50), Walker(500, 300)
    for frame, time_s in enumerate(at_rate(1)):
        joints = [walker.joints(float(time_s)), ghost.joints(float(time_s))]
        people = people_of(joints, [0.8 if frame < 5 else 0.3, 0.25])
        found = stage(make_frame(float(time_s)), people)
        assert found.ids is not None
        assert found.ids.tolist() == [1]
        assert len(found) == 1


def test_people_who_are_sure_are_never_left_out() -> None:
    stage = TrackingStage(COCO, min_score=0.4)
    rng = np.random.default_rng(0)
    for time_s in at_rate(2):
        people = People(
            (rng.random((5, 17, 3)) * [640, 480, 1]).astype(np.float32),
            rng.uniform(0.4, 1, 5).astype(np.float32),
            np.zeros((5, 2), np.float32),
        )
        assert len(stage(make_frame(float(time_s)), people)) == 5


def test_bad_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="lost_after_s"):
        TrackingConfig(lost_after_s=0)
    with pytest.raises(ConfigError, match="smooth needs identities"):
        TrackingConfig(track="off", smooth=True)
    with pytest.raises(ConfigError, match="bridge_s needs identities"):
        TrackingConfig(track="off", bridge_s=0.2)
    with pytest.raises(ConfigError, match=r"bridge_s must be from 0 to lost_after_s \(1 seconds\)"):
        TrackingConfig(lost_after_s=1, bridge_s=2)


def test_who_is_missed_for_a_moment_is_shown_where_they_are_taken_to_be() -> None:
    walker, times_s = Walker(100, 50), at_rate(4)
    tracker = Tracker(COCO, bridge_s=0.3)
    nobody = people_of([])
    shown = []
    for frame, time_s in enumerate(times_s):
        joints = walker.joints(float(time_s))
        missed = frame in (40, 41) or 60 <= frame < 80
        people = tracker.track(nobody if missed else people_of([joints]), float(time_s))
        shown.append(len(people))
        if missed and len(people):
            assert people.ids is not None and people.ids.tolist() == [1]
            assert people.scores.tolist() == [0.0]
            away_px = np.linalg.norm(people.keypoints[0, :, :2] - joints[:, :2], axis=1)
            assert np.median(away_px) < 5
            assert (people.keypoints[0, :, 2] > 0).any()

    assert shown[40:42] == [1, 1]
    assert shown[60:80] == [1] * 7 + [0] * 13  # 0.3 s of 25 frames a second
    assert set(shown[:40] + shown[42:60] + shown[80:]) == {1}


def test_bridging_leaves_those_who_were_found_as_they_are() -> None:
    plain, bridging = Tracker(COCO), Tracker(COCO, bridge_s=0.5)
    walkers = crowd(6, 3)
    for frame, time_s in enumerate(at_rate(3, 12.5)):
        there = [index for index in range(6) if (frame * 7 + index) % 5]
        people = people_of([walkers[index].joints(float(time_s)) for index in there])
        expected, bridged = plain.track(people, time_s), bridging.track(people, time_s)
        count = len(people)
        assert expected.ids is not None and bridged.ids is not None
        assert bridged.ids[:count].tolist() == expected.ids.tolist()
        known = bridged.ids[bridged.ids >= 0].tolist()
        assert len(set(known)) == len(known)
        np.testing.assert_array_equal(bridged.keypoints[:count], expected.keypoints)


def test_nobody_is_bridged_where_somebody_else_is_found() -> None:
    walker = Walker(100, 50)
    tracker = Tracker(COCO, bridge_s=1.0)
    for time_s in at_rate(1):
        tracker.track(people_of([walker.joints(float(time_s))]), float(time_s))
    other = walker.joints(1.0)
    other[:, :2] += 4
    other[:, 2] = 0.3  # of a score that is recognised as nobody
    people = replace(people_of([other]), scores=np.zeros(1, np.float32))
    tracker.settings = tracker.settings._replace(sure=0.9, doubtful_cost=0.0)
    assert len(tracker.track(people, 1.0)) == 1
    assert len(tracker.track(people_of([]), 1.04)) == 1  # the one who was missed
