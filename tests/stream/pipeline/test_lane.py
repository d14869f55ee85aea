import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.pipeline.lane import Thinning


def used(thinning: Thinning, fps: float, count: int) -> list[int]:
    return [index for index in range(count) if not thinning.done and thinning.wants(index / fps)]


@given(st.integers(1, 20), st.integers(0, 200))
def test_stride_uses_every_nth_frame_from_the_first(stride: int, count: int) -> None:
    assert used(Thinning(stride=stride), 25.0, count) == list(range(0, count, stride))


@given(st.integers(0, 60), st.integers(1, 5), st.integers(0, 200))
def test_a_limit_counts_frames_that_are_used(limit: int, stride: int, count: int) -> None:
    assert (
        used(Thinning(limit=limit, stride=stride), 25.0, count)
        == list(range(0, count, stride))[:limit]
    )


@given(st.floats(1, 120), st.floats(0.5, 120))
def test_max_fps_is_kept_over_time_and_wastes_little(fps: float, max_fps: float) -> None:
    seconds = 60
    found = used(Thinning(max_fps=max_fps), fps, int(fps * seconds))
    assert len(found) <= max_fps * seconds * 1.02 + 2
    assert len(found) >= 0.95 * min(fps, max_fps) * seconds - 2


def test_frames_that_come_after_a_pause_are_not_used_all_at_once() -> None:
    thinning = Thinning(max_fps=10.0)
    times_s = [0.0, 0.1, *(5 + index / 100 for index in range(100))]
    late = [time_s for time_s in times_s if thinning.wants(time_s) and time_s >= 5]
    assert len(late) <= 11


@pytest.mark.parametrize(
    ("thinning", "expected"),
    [
        (Thinning(), 100),
        (Thinning(stride=3), 34),
        (Thinning(limit=7), 7),
        (Thinning(max_fps=5.0), 20),
        (Thinning(limit=50, stride=3), 34),
    ],
)
def test_how_many_frames_are_to_come(thinning: Thinning, expected: int) -> None:
    assert thinning.expected(100, 4.0) == expected
    assert Thinning().expected(None, None) is None
    assert Thinning(limit=9).expected(None, None) == 9
