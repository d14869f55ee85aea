"""What can be chosen about how frames go through."""

from __future__ import annotations

from dataclasses import dataclass

from configs.run import BATCH_WINDOW_MS
from stream.pipeline.policy import Policy


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """How frames go through.

    policy: which frames are given up when the engine is slower than a source; by default `latest`
        for live sources and `every-frame` for files.
    frames, stride, max_fps: use so many frames of each source, every n-th, at most so many a second
    of stream time. in_flight: batches that the engine works on at a time; by default as many as it
        can, but 1 where frames may be dropped: a second one would only wait behind the first and
        arrive one inference later.
    batch_window_ms: how long an idle engine that has a frame of one source waits for frames of the
        others, to infer them together; never with one source, nor with an engine that takes one
        image at a time.
    """

    policy: Policy | None = None
    frames: int | None = None
    stride: int = 1
    max_fps: float | None = None
    in_flight: int | None = None
    batch_window_ms: float = BATCH_WINDOW_MS
