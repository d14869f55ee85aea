import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.profile.rows import Rows
from stream.profile.samples import Samples


def test_everything_is_kept_until_it_is_full() -> None:
    rows = Rows(capacity=4)
    for index in range(4):
        rows.append(index, 10 * index, 10 * index + 5, 1, 2, 3)
    assert rows.kept().tolist() == [
        (index, 10 * index, 10 * index + 5, 1, 2, 3) for index in range(4)
    ]
    assert rows.every == 1
    assert rows.even().tolist() == rows.kept().tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(0, 2000), st.integers(1, 5))
def test_memory_is_bounded_and_what_is_left_covers_the_whole_run_evenly(
    capacity: int, count: int, stride: int
) -> None:
    rows = Rows(capacity)
    for index in range(0, count * stride, stride):
        rows.append(index, index, index + 1)
    assert len(rows) <= capacity
    assert rows.seen == count
    expected = [index for index in range(0, count * stride, stride) if index % rows.every == 0]
    assert rows.even()["index"].tolist() == expected


def test_stages_that_were_thinned_out_keep_the_same_frames() -> None:
    ample, scarce = Rows(64), Rows(16)
    for index in range(60):
        ample.append(index, index, index + 1)
        scarce.append(index, index, index + 1)
    assert ample.even(scarce.every)["index"].tolist() == scarce.kept()["index"].tolist()


def test_what_was_unusually_slow_stays() -> None:
    rows = Rows(64)
    for index in range(10_000):
        rows.append(index, index * 1000, index * 1000 + (900_000 if index == 4321 else 100))
    assert rows.every > 64
    assert len(rows) <= 64
    assert 4321 in rows.kept()["index"]
    assert 4321 not in rows.even()["index"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=600))
def test_memory_is_bounded_whatever_the_times(lengths: list[int]) -> None:
    rows = Rows(16)
    for index, length in enumerate(lengths):
        rows.append(index, 0, length)
    assert 0 < len(rows) <= 16


def test_indices_that_do_not_count_up_are_no_trap() -> None:
    rows = Rows(8)
    for time_ns in range(100):
        rows.append(0, time_ns, time_ns)
    assert len(rows) <= 8
    assert rows.kept()["begin_ns"][-1] == 99


@given(st.integers(2, 20), st.integers(0, 300))
def test_readings_are_thinned_out_evenly(capacity: int, count: int) -> None:
    samples = Samples(capacity)
    for step in range(count):
        samples.append(step, step / 2)
    assert len(samples) <= capacity
    steps = np.diff(samples.times_ns)
    assert len(set(steps.tolist())) <= 1
    assert samples.values.tolist() == (samples.times_ns / 2).tolist()
    if count:
        assert samples.times_ns[0] == 0
