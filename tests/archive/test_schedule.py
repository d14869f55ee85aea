"""Which units are done, in which order, and what follows from what came of them."""

from __future__ import annotations

from fractions import Fraction

from archive.schedule import CutFound, CutGivenUp, PartDone, Schedule
from archive.units import Cut, Finished, Outcome, Unit, Video

DONE = Outcome(state="done", frames=10, media_s=2.0, elapsed_s=1.0)
FAILED = Outcome(state="failed", reason="disk full")
CUT = Cut(
    stamps=(100, 200),
    width=96,
    height=64,
    fps=25.0,
    frame_count=300,
    duration_s=12.0,
    time_base=Fraction(1, 25),
    start_s=Fraction(0),
)


def video(name: str, size: int = 1) -> Video:
    return Video(address=f"{name}.mp4", name=name, size=size)


def take(schedule: Schedule) -> Unit:
    unit = schedule.take()
    assert unit is not None
    return unit


def test_large_videos_come_first() -> None:
    schedule = Schedule([video("a", 1), video("b", 3), video("c", 2)])
    assert [take(schedule).video.name for _ in range(3)] == ["b", "c", "a"]
    assert schedule.take() is None and schedule.unfinished == 3


def test_a_cut_video_is_done_in_parts_and_joined_last() -> None:
    schedule = Schedule([video("a")])
    whole = take(schedule)
    found = schedule.settle(whole, Outcome(state="cut", cut=CUT))
    assert found == CutFound(name="a", cut=CUT)
    parts = [take(schedule) for _ in range(3)]
    assert [part.number for part in parts] == [0, 1, 2] and schedule.take() is None
    assert [part.cut.bounds(part.number) for part in parts if part.cut] == [
        (None, 100),
        (100, 200),
        (200, None),
    ]
    for part in reversed(parts):
        assert isinstance(schedule.settle(part, DONE), PartDone)
    join = take(schedule)
    assert join.kind == "join"
    last = schedule.settle(join, Outcome(state="done", frames=30, elapsed_s=0.5))
    assert isinstance(last, Finished)
    assert (last.state, last.frames, last.parts, last.media_s) == ("done", 30, 3, 6.0)
    assert last.elapsed_s == 3.5
    assert schedule.unfinished == 0 and schedule.failed == 0


def test_a_unit_that_fails_three_times_is_set_aside() -> None:
    schedule = Schedule([video("a", 2), video("b")])
    for _ in range(2):
        assert schedule.settle(take(schedule), FAILED) is None
    last = schedule.settle(take(schedule), FAILED)
    assert isinstance(last, Finished) and last.state == "set-aside"
    assert "3 times" in last.reason and "disk full" in last.reason
    assert schedule.failed == 1
    assert take(schedule).video.name == "b"


def test_a_part_that_fails_three_times_sets_its_video_aside_with_all_its_parts() -> None:
    schedule = Schedule([video("a")], cuts={"a": CUT})
    first = take(schedule)
    for _ in range(3):
        last = schedule.settle(first, FAILED)
    assert isinstance(last, Finished) and last.state == "set-aside" and "part 1 of 3" in last.reason
    assert schedule.take() is None


def test_what_cannot_be_read_is_not_tried_again() -> None:
    schedule = Schedule([video("a")])
    last = schedule.settle(take(schedule), Outcome(state="unreadable", reason="is empty"))
    assert isinstance(last, Finished) and (last.state, last.reason) == ("unreadable", "is empty")
    assert schedule.take() is None


def test_where_parts_would_not_be_equal_the_whole_is_done_and_late_parts_are_nothing() -> None:
    schedule = Schedule([video("a")], cuts={"a": CUT})
    first, second = take(schedule), take(schedule)
    given_up = schedule.settle(first, Outcome(state="uncuttable", reason="interlaced"))
    assert given_up == CutGivenUp(name="a", reason="interlaced", parts=3)
    whole = take(schedule)
    assert whole.kind == "video" and whole.whole
    assert schedule.settle(second, DONE) is None
    last = schedule.settle(whole, DONE)
    assert isinstance(last, Finished) and "interlaced" in last.reason and last.parts == 1
    assert schedule.take() is None


def test_a_video_that_is_not_equal_when_joined_is_done_whole() -> None:
    parts = {"a": dict.fromkeys(range(3), DONE)}
    schedule = Schedule([video("a")], cuts={"a": CUT}, parts=parts)
    join = take(schedule)
    assert join.kind == "join"
    schedule.settle(join, Outcome(state="uncuttable", reason="another frame"))
    assert take(schedule).whole and schedule.take() is None


def names(group: list[Unit]) -> list[str]:
    return [unit.video.name for unit in group]


def test_units_of_one_kind_are_taken_together_and_the_last_ones_are_shared() -> None:
    parts = {"d": dict.fromkeys(range(3), DONE), "e": {}}
    videos = [video(name, size) for name, size in (("a", 9), ("b", 8), ("c", 7), ("d", 1))]
    schedule = Schedule([*videos, video("e")], cuts={"d": CUT, "e": CUT}, parts=parts)
    assert [unit.kind for unit in schedule.take_group(4)] == ["join"]
    assert [unit.kind for unit in schedule.take_group(4)] == ["part"] * 3
    assert names(schedule.take_group(4, workers=2)) == ["a", "b"]
    assert names(schedule.take_group(4)) == ["c"] and schedule.take_group(4) == []


def test_units_of_a_group_that_failed_are_done_alone_and_only_then_counted() -> None:
    schedule = Schedule([video("a"), video("b"), video("c")])
    group = schedule.take_group(2)
    assert names(group) == ["a", "b"]
    for unit in group:
        assert schedule.settle(unit, FAILED) is None
    assert [names(schedule.take_group(3)) for _ in range(3)] == [["c"], ["a"], ["b"]]
    a, b = group
    assert isinstance(schedule.settle(a, DONE), Finished)
    for _ in range(2):
        assert schedule.settle(b, FAILED) is None
        assert names(schedule.take_group(3)) == ["b"]
    last = schedule.settle(b, FAILED)
    assert isinstance(last, Finished) and last.reason.startswith("failed 3 times")


def test_a_later_run_does_what_is_missing() -> None:
    before = {"a": Finished(name="a", address="a.mp4", state="done")}
    schedule = Schedule(
        [video("a"), video("b"), video("c")],
        before,
        cuts={"b": CUT, "c": None},
        parts={"b": {1: DONE}},
    )
    units = [take(schedule) for _ in range(3)]
    assert [(unit.kind, unit.video.name, unit.number) for unit in units] == [
        ("part", "b", 0),
        ("part", "b", 2),
        ("video", "c", 0),
    ]
    assert units[2].whole and schedule.take() is None
