"""Real runs, checked against clocks of their own. What is strict to 2 % on an idle machine is in
benchmarks/profiling.py.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import SinkError
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.policy import LATEST
from stream.profile import Profiler, RunFacts
from stream.profile.config import ProfileConfig
from tests.stream.pipeline.parts import MemorySink, counted
from tests.support.blank_engine import BlankEngine
from tests.support.people import nobody
from tests.support.waiting import measured, met

FACTS = RunFacts(command="test", model="blank", runtime="fixture", precision="exact")


class ClockedEngine(BlankEngine):
    """Knows how long each of its results took; stalls for 700 ms in the first one that is asked for
    after `stall_at_s`.
    """

    def __init__(self, delay_s: float, *, stall_at_s: float | None = None, **options: Any) -> None:
        super().__init__(delay_s, **options)
        self.took_s: list[float] = []
        self.stalled_at_s: float | None = None
        self._stall_at_s = stall_at_s
        self._began_s: float | None = None

    def result(self, ticket: int) -> Any:
        begin_s = time.perf_counter()
        if self._began_s is None:
            self._began_s = begin_s
        if (
            self._stall_at_s is not None
            and self.stalled_at_s is None
            and begin_s - self._began_s >= self._stall_at_s
        ):
            self.stalled_at_s = begin_s
            time.sleep(0.7)
        maps = super().result(ticket)
        self.took_s.append(time.perf_counter() - begin_s)
        return maps


def run_profiled(
    engine: BlankEngine, source: Any, **options: Any
) -> tuple[Profiler, dict[str, Any]]:
    profiler = Profiler(ProfileConfig())
    sink = MemorySink(delay_s=0.002)
    choices = PipelineConfig(**options)
    with (
        Pipeline(
            [source], engine, nobody, sinks=[[sink]], options=choices, timings=profiler.timings
        ) as pipeline,
        profiler,
    ):
        pipeline.run()
    return profiler, profiler.document(FACTS, pipeline.summary())


@pytest.mark.alone
@measured
def test_what_the_engine_takes_is_what_its_own_clock_says() -> None:
    engine = ClockedEngine(0.02)
    profiler, found = run_profiled(engine, counted(40))
    rows = profiler.recorder.works["infer: wait"].kept()
    measured_s = (rows["end_ns"] - rows["begin_ns"]) * 1e-9
    own_s = np.array(engine.took_s)
    assert len(measured_s) == len(own_s) == 40
    met(np.median(np.abs(measured_s - own_s) / own_s) < 0.02, "the same to 2 %")
    stage = next(stage for stage in found["stages"] if stage["name"] == "infer")
    assert stage["p50"] >= 20
    assert stage["busy_share"] == pytest.approx(
        stage["mean"] * stage["n"] / 1000 / found["elapsed_s"], rel=0.02
    )
    write = next(stage for stage in found["stages"] if stage["name"] == "write")
    assert write["p50"] >= 2


def test_no_stage_is_busy_more_than_all_of_the_time_with_two_frames_under_way() -> None:
    _, found = run_profiled(BlankEngine(0.01, in_flight=2), counted(60))
    shares = [entry["busy_share"] for entry in [*found["stages"], *found["parts"]]]
    assert all(0 <= share <= 1 for share in shares if share is not None)
    parts = {part["name"]: part for part in found["parts"]}
    stage = next(stage for stage in found["stages"] if stage["name"] == "infer")
    together = parts["infer: submit"]["mean"] + parts["infer: wait"]["mean"]
    assert stage["mean"] == pytest.approx(together, rel=1e-3)
    assert parts["infer: submit to result"]["p50"] > 1.2 * stage["p50"], (
        "two are under way: each takes about two turns"
    )


@pytest.mark.alone
@measured
def test_a_stall_at_second_3_is_seen_at_second_3() -> None:
    engine = ClockedEngine(0.002, stall_at_s=3.0)
    profiler, found = run_profiled(engine, counted(90, fps=25.0), policy=LATEST)
    assert engine.stalled_at_s is not None
    stalled_at_s = engine.stalled_at_s - profiler.timings.began_ns * 1e-9
    assert stalled_at_s >= 3.0
    met(stalled_at_s < 4.5, "it began with the run")
    rows = profiler.recorder.works["infer: wait"].kept()
    begins_s, ends_s = (
        (rows[name] - profiler.timings.began_ns) * 1e-9 for name in ("begin_ns", "end_ns")
    )
    (stalled,) = np.flatnonzero((begins_s <= stalled_at_s) & (stalled_at_s < ends_s))
    assert ends_s[stalled] - begins_s[stalled] >= 0.7
    (slowest,) = (
        frame for frame in found["slowest_frames"] if frame["frame"] == rows["index"][stalled]
    )
    assert slowest["latency_ms"] >= 700
    assert slowest["stages_ms"]["infer"] >= 700
    line = found["timeline"]
    step = int(slowest["t_s"] / line["step_s"])
    assert line["latency_max_ms"][step] >= 700
    assert found["drops"]["superseded"] > 5
    assert sum(line["drops"]) <= found["drops"]["superseded"]
    assert found["frames_in"] == found["frames_out"] + sum(found["drops"].values())


def test_several_sources_are_told_apart() -> None:
    profiler = Profiler(ProfileConfig())
    sources = [counted(20, name="left"), counted(30, name="right")]
    engine = BlankEngine(0.001, batch_size=2)
    sinks = [[MemorySink()], [MemorySink()]]
    with (
        Pipeline(sources, engine, nobody, sinks=sinks, timings=profiler.timings) as pipeline,
        profiler,
    ):
        pipeline.run()
    found = profiler.document(FACTS, pipeline.summary())
    assert [stage["name"] for stage in found["stages"]][:2] == ["decode 0", "decode 1"]
    assert [(source["name"], source["frames_out"]) for source in found["sources"]] == [
        ("left", 20),
        ("right", 30),
    ]
    rows = profiler.recorder.works["group"].kept()
    assert sorted(zip(rows["source"].tolist(), rows["index"].tolist(), strict=True)) == [
        *((0, index) for index in range(20)),
        *((1, index) for index in range(30)),
    ]
    where, _ = profiler.recorder.per_frame("write")
    assert len(where) == 50, "every delivery has its own work"


def test_sources_of_the_same_name_have_tracks_of_their_own(tmp_path: Path) -> None:
    profiler = Profiler(ProfileConfig(profile=tmp_path))
    sources = [counted(15, name="twin"), counted(15, name="twin")]
    with Pipeline(sources, BlankEngine(), nobody, timings=profiler.timings) as pipeline, profiler:
        pipeline.run()
    profiler.write(profiler.document(FACTS, pipeline.summary()))
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    tracks = {
        event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"
    }
    assert list(tracks.values()).count("decode twin") == 2
    assert {event["name"] for event in events if event["ph"] == "C"} >= {
        "dropped of source 0",
        "dropped of source 1",
    }


def test_a_folder_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="cannot write a profile to"):
        Profiler(ProfileConfig(profile=tmp_path / "file" / "folder"))
