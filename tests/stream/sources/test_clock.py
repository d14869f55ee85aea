from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.clock import StreamClock, credible_fps

MS = Fraction(1, 1000)


def run(stamps: list[int | None], fps: float = 25.0) -> list[float]:
    clock = StreamClock(MS, fps)
    return [float(clock.stamp(pts)[0]) for pts in stamps]


def test_good_stamps_are_kept_and_start_at_zero() -> None:
    assert run([5000, 5040, 5080, 6000]) == pytest.approx([0, 0.04, 0.08, 1.0])


def test_missing_stamps_are_a_frame_period_apart() -> None:
    assert run([None, None, None]) == pytest.approx([0, 0.04, 0.08])
    assert run([0, None, 80]) == pytest.approx([0, 0.04, 0.08])


def test_one_stamp_out_of_order_does_not_shift_the_rest() -> None:
    assert run([0, 40, 80, 60, 160, 200]) == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])


def test_a_counter_that_wraps_goes_on_from_there() -> None:
    wrap = 2**33 // 90
    assert run([wrap - 80, wrap - 40, 0, 40]) == pytest.approx([0, 0.04, 0.08, 0.12])


def test_stamps_that_never_change_count_frames() -> None:
    times = run([7] * 100)
    assert times == pytest.approx([index / 25 for index in range(100)])


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), max_size=60))
def test_time_always_moves_forward(stamps: list[int | None]) -> None:
    times = run(stamps)
    assert all(later > earlier for earlier, later in pairwise(times))
    assert not times or times[0] == 0


def test_time_goes_on_after_a_gap() -> None:
    clock = StreamClock(MS, 25.0)
    clock.stamp(1000)
    clock.stamp(1040)
    clock.resume(Fraction(1, 90_000), gap_s=3.0)
    assert float(clock.stamp(123_456_789)[0]) == pytest.approx(3.04)
    assert float(clock.stamp(123_456_789 + 3600)[0]) == pytest.approx(3.08)


def test_announced_rates_that_cannot_be_true_are_refused() -> None:
    assert credible_fps(None, 0, 90_000, float("nan")) is None
    assert credible_fps(Fraction(90_000), Fraction(30_000, 1001)) == pytest.approx(29.97, abs=0.01)
