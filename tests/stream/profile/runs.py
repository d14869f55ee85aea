"""Runs whose truth is known, made without waiting for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stream.frame import SourceInfo
from stream.pipeline.summary import SourceSummary, Summary
from stream.pipeline.timing import Timings
from stream.profile.figures import RunFacts
from stream.profile.probes.environment import Environment
from stream.profile.recorder import Recorder
from stream.profile.samples import Samples
from stream.sources import SourceHealth

MS = 1_000_000
FACTS = RunFacts(
    command="run_stream.py clip.mp4",
    model="lite",
    runtime="openvino",
    precision="fp32",
    input_size="384",
    policy="every-frame",
    sources=(SourceInfo(name="clip.mp4", width=640, height=480, fps=25.0),),
)
ENVIRONMENT = Environment(
    began="2026-11-22T20:00:00+00:00", versions={"python": "3.11"},
    hardware={"cpu": "a <fast> one", "cores": "2"}, power={}, load_average=0.1,
)  # fmt: skip


@dataclass
class KnownRun:
    """Frames that go through decode, infer, group and write, each as long as `spend` is told."""

    capacity: int = 1 << 16
    recorder: Recorder = field(init=False)
    timings: Timings = field(init=False)
    frames: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.capacity)
        self.timings = Timings(observer=self.recorder)

    def frame(
        self, at_ms: float, *, index: int, people: int = 2, drops: int = 0, **stages_ms: float
    ) -> float:
        """One frame captured `at_ms` after the beginning; its stages follow each other. Returns
        when it was delivered.
        """
        now_ns = self.timings.began_ns + round(at_ms * MS)
        captured_ns = now_ns
        for stage, length_ms in stages_ms.items():
            end_ns = now_ns + round(length_ms * MS)
            self.timings.stage(stage).add(now_ns, end_ns, index)
            if stage == "infer":
                self.timings.part("infer: wait").add(now_ns, end_ns, index)
            now_ns = end_ns
        self.timings.latency_ns.add(now_ns - captured_ns)
        self.recorder.deliveries.append(index, captured_ns, now_ns, 0, people, drops)
        self.frames.append((index, captured_ns, now_ns))
        return (now_ns - self.timings.began_ns) / MS

    def summary(
        self, elapsed_s: float, *, drops: dict[str, int] | None = None, stopped: bool = False
    ) -> Summary:
        source = SourceSummary(
            name="clip.mp4",
            frames=len(self.frames),
            people=int(self.recorder.deliveries.kept()["value"].sum()),
            drops=drops or {},
            health=SourceHealth(state="ended"),
        )
        every = (timer.statistics(elapsed_s) for timer in self.timings.stages.values())
        return Summary(
            elapsed_s=elapsed_s,
            sources=(source,),
            latency_ms=self.timings.latency_ns.statistics(1e-6),
            stages=tuple(every),
            depths={name: series.statistics() for name, series in self.timings.depths.items()},
            stopped=stopped,
        )


def a_run(
    count: int = 200, *, period_ms: float = 40.0, stall_at_s: float | None = None, seed: int = 1
) -> KnownRun:
    """Frames every `period_ms`; with a stall of 800 ms in `infer` in the first frame after
    `stall_at_s`.
    """
    random = np.random.default_rng(seed)
    run = KnownRun()
    stalled = stall_at_s is None
    for index in range(count):
        at_ms = index * period_ms
        infer_ms = random.gamma(8, 1.5)
        if not stalled and stall_at_s is not None and at_ms >= stall_at_s * 1000:
            stalled, infer_ms = True, 800.0
        people = int(random.integers(0, 6))
        run.timings.depth("infer").add(index % 3)
        run.frame(
            at_ms,
            index=index,
            people=people,
            decode=2.0,
            infer=infer_ms,
            group=0.2 + 0.1 * people,
            write=1.0,
        )
    return run


def machine(run: KnownRun, *, seconds: int = 8, watts: bool = True) -> dict[str, Samples]:
    """Readings of a machine, two a second."""
    samples = {
        name: Samples()
        for name in ("cpu_percent", "resident_mib", *(("gpu_percent", "board_w") if watts else ()))
    }
    for step in range(seconds * 2):
        for name, track in samples.items():
            track.append(
                run.timings.began_ns + step * 500 * MS, 100.0 + step if name != "board_w" else 12.5
            )
    return samples
