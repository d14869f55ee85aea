"""Numbers between bounds."""

from __future__ import annotations

from stream.pipeline.histogram import Histogram


def test_a_number_counts_for_every_bound_that_it_does_not_exceed() -> None:
    histogram = Histogram([10, 20, 50])
    assert histogram.cumulative() == [0, 0, 0, 0]
    for value in (0, 10, 11, 20, 50, 51, 1_000_000):
        histogram.add(value)
    assert histogram.cumulative() == [2, 4, 5, 7]
    assert histogram.total == 1_000_142
