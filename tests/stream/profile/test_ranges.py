import sys

import pytest

from stream.pipeline.timing import Timings
from stream.profile import nvtx_ranges


def test_work_is_marked_for_a_profiler_that_is_not_there() -> None:
    pytest.importorskip("nvtx", reason="needs nvtx, extra `profile`")
    timings = Timings(ranges=nvtx_ranges())
    for index in range(3):
        with timings.stage("group").measure(index), timings.part("group: part").measure(index):
            pass
    assert timings.stage("group").statistics(1.0).time_ms.n == 3


def test_without_the_package_nothing_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvtx", None)
    assert nvtx_ranges() is None
