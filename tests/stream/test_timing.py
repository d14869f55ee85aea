import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.timing import Series, Timings


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=300))
def test_percentiles_equal_those_of_numpy(values: list[float]) -> None:
    series = Series(window=512)
    for value in values:
        series.add(value)
    found = series.statistics()
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.max == max(values)
    assert (found.p50, found.p95, found.p99) == pytest.approx(tuple(np.percentile(values, (50, 95, 99))))


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


def test_stages_report_time_and_busy_share() -> None:
    events: list[tuple[str, int, int, int]] = []
    timings = Timings(observer=lambda *event: events.append(event))
    timings.begin()
    for index in range(5):
        with timings.stage("infer").measure(index):
            time.sleep(0.02)
        time.sleep(0.02)
    timings.stage("idle")
    timings.end()
    (stage,) = timings.statistics()
    assert stage.name == "infer"
    assert 20 <= stage.time_ms.p50 < 30
    assert 0.35 < stage.busy_share < 0.6
    assert [event[3] for event in events] == list(range(5))
    assert all(end_ns > begin_ns for _, begin_ns, end_ns, _ in events)


def test_an_empty_series_is_all_zeros() -> None:
    assert Series().statistics().n == 0
    assert Series().recent().shape == (0,)
