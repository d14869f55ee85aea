"""What can be chosen about how frames go through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from configs.errors import ConfigError
from configs.flags import option
from stream.pipeline.policy import EVERY_FRAME, LATEST, Policy, parse_policy

# Two cameras at 25 fps, an engine that takes 10 ms for one image or two (benchmarks/live.py
# batch-window). 1 ms apart: the window lets the second frame join the first instead of queueing
# behind it, latency p95 20.4 -> 11.9 ms. Half a period apart: it never joins, and every frame is
# later by the window (p50 10.9 -> 13.0 ms), which is why it is short. A busy engine finds frames of
# all cameras when it is done and needs no window.
BATCH_WINDOW_MS = 2.0


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Which frames are used, and how they go through.

    Attributes:
        policy: Which frames are given up when the engine is slower than a source; None is `latest`
            for live sources and `every-frame` for files.
        frames: Stop after this many frames of each source; None is all.
        stride: Use every n-th frame.
        max_fps: Use at most this many frames in a second of stream time; None is all.
        in_flight: Batches that the engine works on at a time. None is as many as it can, but 1
            where frames may be dropped: a second one would only wait behind the first and arrive
            one inference later.
        batch_window_ms: How long an idle engine that has a frame of one source waits for frames of
            the others, to infer them together; never with one source, nor with an engine that takes
            one image at a time.

    Raises:
        ConfigError: A number is out of range.
    """

    TITLE: ClassVar[str] = "frames"

    policy: Policy | None = option(
        None,
        help="every-frame, latest or max-age=300ms; default: latest for live sources, "
        "else every-frame",
        metavar="NAME",
        parse=parse_policy,
    )
    frames: int | None = option(
        None, help="stop after this many frames of each source", metavar="N"
    )
    stride: int = option(1, help="use every n-th frame", metavar="N")
    max_fps: float | None = option(
        None, help="use at most this many frames a second of stream time", metavar="FPS"
    )
    in_flight: int | None = None
    batch_window_ms: float = option(
        BATCH_WINDOW_MS,
        help="several sources: how long an idle engine waits for frames to infer together",
        metavar="MS",
    )

    def __post_init__(self) -> None:
        for field in ("frames", "stride", "in_flight"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise ConfigError(f"{field} must be at least 1, not {value}")
        if not 0 <= self.batch_window_ms <= 1000:
            raise ConfigError(f"batch_window_ms must be 0..1000, not {self.batch_window_ms:g}")
        if self.max_fps is not None and not 0 < self.max_fps < float("inf"):
            raise ConfigError(f"max_fps must be positive, not {self.max_fps:g}")

    def policy_for(self, *, live: bool) -> Policy:
        """What is given up for a source, live or not, when the engine is slower."""
        return self.policy or (LATEST if live else EVERY_FRAME)
