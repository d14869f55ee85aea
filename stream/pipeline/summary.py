"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from basics.statistics import Statistics
from configs.units import counted
from stream.pipeline.context import RunContext
from stream.pipeline.timing import StageStatistics
from stream.sources import SourceHealth


@dataclass(frozen=True, kw_only=True)
class SourceSummary:
    """What came of one source.

    Attributes:
        name: Path or URL without credentials.
        label: What the run calls it, where that is needed to tell which it is; else empty.
        frames: Frames written.
        people: People in them, counted in every frame.
        drops: Frames given up, by cause.
        health: How it fared.
        device: What computed its maps: `cpu`, or number and name of the GPU.
        left_out: Frames that are missing in outputs of a live source, by output: its encoder or its
            receiver could not keep up.
    """

    name: str
    frames: int
    people: int
    drops: dict[str, int]
    health: SourceHealth
    label: str = ""
    device: str = ""
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def troubles(self) -> list[str]:
        """What people should know of, in words; nothing where all is well."""
        found = [
            f"{counted(count, 'frame')} not in {output!r}"
            for output, count in self.left_out.items()
            if count
        ]
        if self.health.state == "failed":
            found.append(self.health.message)
        elif not self.frames and self.health.message:
            name = f"{self.label} ({self.name})" if self.label else self.name
            found.append(f"nothing came from {name!r} ({self.health.message})")
        return found


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run came to; `str` says it in a line.

    Attributes:
        elapsed_s: Seconds from the first frame to the last.
        sources: What came of each, in their order.
        latency_ms: From the capture of a frame to the moment when its results are handed to the
            sinks.
        stages: How long each took.
        depths: Frames waiting in front of each stage.
        stopped: Whether it was stopped from outside before the sources ended.
    """

    elapsed_s: float
    sources: tuple[SourceSummary, ...]
    latency_ms: Statistics
    stages: tuple[StageStatistics, ...]
    depths: dict[str, Statistics]
    stopped: bool

    @property
    def frames(self) -> int:
        """Frames written, of all sources."""
        return sum(source.frames for source in self.sources)

    @property
    def people(self) -> int:
        """People in them, counted in every frame."""
        return sum(source.people for source in self.sources)

    @property
    def fps(self) -> float:
        """Frames a second, of all sources together."""
        return self.frames / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def drops(self) -> dict[str, int]:
        """Frames given up, by cause, over all sources."""
        total: dict[str, int] = {}
        for source in self.sources:
            for cause, count in source.drops.items():
                total[cause] = total.get(cause, 0) + count
        return total

    @property
    def devices(self) -> tuple[str, ...]:
        """What computed, each once, in the order of the sources."""
        return tuple(dict.fromkeys(source.device for source in self.sources if source.device))

    @property
    def slowest(self) -> StageStatistics | None:
        """The stage that was at work for the largest share of the run: what to make faster."""
        return max(self.stages, key=lambda stage: stage.busy_share, default=None)

    def __str__(self) -> str:
        drops = ", ".join(f"{count} {cause}" for cause, count in sorted(self.drops.items()))
        parts = [
            f"{counted(self.frames, 'frame')} in {self.elapsed_s:.1f} s",
            f"{self.fps:.1f} FPS",
            f"{self.people / max(1, self.frames):.1f} people a frame",
            f"drops: {drops or 'none'}",
            f"latency p50 {self.latency_ms.p50:.0f} ms, p95 {self.latency_ms.p95:.0f} ms",
        ]
        parts += [f"on {' and '.join(self.devices)}"] if self.devices else []
        decoders = dict.fromkeys(source.health.decoder for source in self.sources)
        if any(name not in ("", "software") for name in decoders):
            parts.append(f"decoded by {' and '.join(filter(None, decoders))}")
        troubles = {
            "reconnect": sum(source.health.reconnects for source in self.sources),
            "decoder restart": sum(source.health.decoder_restarts for source in self.sources),
            "damaged packet": sum(source.health.corrupt_packets for source in self.sources),
        }
        parts += [counted(count, name) for name, count in troubles.items() if count]
        parts += [trouble for source in self.sources for trouble in source.troubles]
        if self.slowest is not None:
            parts.append(
                f"slowest stage: {self.slowest.name} ({self.slowest.time_ms.p50:.1f} ms a frame, "
                f"busy {min(self.slowest.busy_share, 1):.0%})"
            )
        return "; ".join(parts)


def summary_of(context: RunContext, *, stopped: bool) -> Summary:
    """What a run has come to so far; for any thread."""
    timings = context.timings
    return Summary(
        elapsed_s=timings.elapsed_s,
        sources=tuple(
            SourceSummary(
                name=lane.source.name,
                frames=lane.frames,
                people=lane.people,
                drops=lane.ring.drops,
                health=lane.source.health,
                label=lane.source.label,
                device=lane.device,
                left_out=lane.left_out,
            )
            for lane in context.lanes
        ),
        latency_ms=timings.latency_ns.statistics(1e-6),
        stages=timings.statistics(),
        depths={name: series.statistics() for name, series in timings.depths.items()},
        stopped=stopped,
    )
