"""Statistics are NumPy's, of whatever numbers come in."""

from __future__ import annotations

import numpy as np
import pytest

from basics.statistics import Statistics, percentiles


def test_a_series_in_brief_is_what_numpy_says() -> None:
    values = np.random.default_rng(3).gamma(2.0, 5.0, 1001)
    found = Statistics.of(values)
    assert found.n == 1001
    assert found.mean == pytest.approx(values.mean())
    assert found.max == values.max()
    assert (found.p50, found.p95, found.p99) == percentiles(values)
    assert found.p95 == np.percentile(values, 95)


def test_any_iterable_of_numbers_will_do() -> None:
    expected = Statistics(n=4, mean=2.5, p50=2.5, p95=3.85, p99=3.97, max=4.0)
    for values in (iter([4, 1, 3, 2]), (1.0, 2.0, 3.0, 4.0), np.array([[1, 2], [3, 4]], np.int32)):
        found = Statistics.of(values)
        assert vars(found) == pytest.approx(vars(expected))


def test_no_numbers_are_all_zero() -> None:
    assert Statistics.of([]) == Statistics()
