import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.pipeline.sampling import FrameSampler


def used(sampler: FrameSampler, fps: float, count: int) -> list[int]:
    return [index for index in range(count) if not sampler.done and sampler.wants(index / fps)]


@given(st.integers(1, 20), st.integers(0, 200))
def test_stride_uses_every_nth_frame_from_the_first(stride: int, count: int) -> None:
    assert used(FrameSampler(stride=stride), 25.0, count) == list(range(0, count, stride))


@given(st.integers(0, 60), st.integers(1, 5), st.integers(0, 200))
def test_a_limit_counts_frames_that_are_used(limit: int, stride: int, count: int) -> None:
    assert (
        used(FrameSampler(limit=limit, stride=stride), 25.0, count)
        == list(range(0, count, stride))[:limit]
    )


@given(st.floats(1, 120), st.floats(0.5, 120))
def test_max_fps_is_kept_over_time_and_wastes_little(fps: float, max_fps: float) -> None:
    seconds = 60
    found = used(FrameSampler(max_fps=max_fps), fps, int(fps * seconds))
    assert len(found) <= max_fps * seconds * 1.02 + 2
    assert len(found) >= 0.95 * min(fps, max_fps) * seconds - 2


def test_frames_that_come_after_a_pause_are_not_used_all_at_once() -> None:
    sampler = FrameSampler(max_fps=10.0)
    times_s = [0.0, 0.1, *(5 + index / 100 for index in range(100))]
    late = [time_s for time_s in times_s if sampler.wants(time_s) and time_s >= 5]
    assert len(late) <= 11


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (FrameSampler(), 100),
        (FrameSampler(stride=3), 34),
        (FrameSampler(limit=7), 7),
        (FrameSampler(max_fps=5.0), 20),
        (FrameSampler(limit=50, stride=3), 34),
    ],
)
def test_how_many_frames_are_to_come(sampler: FrameSampler, expected: int) -> None:
    assert sampler.expected(100, 4.0) == expected
    assert FrameSampler().expected(None, None) is None
    assert FrameSampler(limit=9).expected(None, None) == 9
