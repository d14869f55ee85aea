import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.pipeline.timing import Series, Timings
from tests.support.waiting import measured, met


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=300))
def test_percentiles_equal_those_of_numpy(values: list[float]) -> None:
    series = Series(window=512)
    for value in values:
        series.add(value)
    found = series.statistics()
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.max == max(values)
    assert (found.p50, found.p95, found.p99) == pytest.approx(
        tuple(np.percentile(values, (50, 95, 99)))
    )


def test_memory_does_not_grow_and_percentiles_are_of_the_window() -> None:
    series = Series(window=100)
    for value in range(1050):
        series.add(value)
    assert series.recent().tolist() == list(range(950, 1050))
    found = series.statistics()
    assert found.n == 1050
    assert found.mean == pytest.approx(524.5)
    assert found.p50 == pytest.approx(np.percentile(range(950, 1050), 50))
    assert found.max == 1049


@pytest.mark.alone
@measured
def test_stages_report_time_and_busy_share() -> None:
    timings = Timings()
    timings.begin()
    for index in range(5):
        with timings.stage("infer").measure(index):
            time.sleep(0.02)
        time.sleep(0.02)
    timings.stage("idle")
    timings.end()
    (stage,) = timings.statistics()
    assert stage.name == "infer"
    assert stage.time_ms.p50 >= 20
    met(stage.time_ms.p50 < 30, f"20 ms and not {stage.time_ms.p50}")
    met(0.35 < stage.busy_share < 0.6, f"a share of half and not of {stage.busy_share}")


class Witness:
    """An observer, and ranges, that remember what they were told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def work(self, stage: str, begin_ns: int, end_ns: int, index: int, source: int) -> None:
        self.told.append(("work", stage, begin_ns, end_ns, index, source))

    def queue(self, stage: str, depth: int) -> None:
        self.told.append(("queue", stage, depth))

    def delivered(self, index: int, source: int, latency_ns: int, people: int, drops: int) -> None:
        self.told.append(("delivered", index, source, latency_ns, people, drops))

    def push(self, name: str) -> None:
        self.told.append(("push", name))

    def pop(self) -> None:
        self.told.append(("pop",))


def test_an_observer_is_told_of_everything_that_is_counted() -> None:
    witness = Witness()
    timings = Timings(observer=witness)
    timings.stage("decode").add(10, 30, 7, 1)
    timings.part("infer: wait").add(30, 50, 7, 1)
    timings.depth("infer").add(2)
    latency_ns = timings.delivered(7, 1, capture_ns=time.monotonic_ns() - 1000, people=3, drops=4)
    assert witness.told == [
        ("work", "decode", 10, 30, 7, 1),
        ("work", "infer: wait", 30, 50, 7, 1),
        ("queue", "infer", 2),
        ("delivered", 7, 1, latency_ns, 3, 4),
    ]
    assert latency_ns >= 1000
    assert timings.latency_ns.total == latency_ns
    assert timings.depth("infer").statistics().max == 2
    assert [stage.name for stage in timings.statistics()] == ["decode"], "a part of a stage is none"


def test_a_frame_counts_with_the_time_spent_on_it_but_is_seen_from_begin_to_end() -> None:
    witness = Witness()
    timings = Timings(observer=witness)
    timings.stage("infer").add(0, 90, 5, spent_ns=30)
    assert timings.stage("infer").statistics(1e-7).busy_share == pytest.approx(0.3)
    assert witness.told == [("work", "infer", 0, 90, 5, 0)]


def test_ranges_are_closed_whatever_happens() -> None:
    witness = Witness()
    timings = Timings(ranges=witness)
    with pytest.raises(ValueError, match="on purpose"), timings.stage("group").measure(1):
        raise ValueError("on purpose")
    assert witness.told == [("push", "group"), ("pop",)]
    with pytest.raises(ValueError, match="on purpose"), timings.stage("decode").marked():
        raise ValueError("on purpose")
    assert witness.told[2:] == [("push", "decode"), ("pop",)]
    with Timings().stage("decode").marked():
        pass


def test_an_empty_series_is_all_zeros() -> None:
    assert Series().statistics().n == 0
    assert Series().recent().shape == (0,)
