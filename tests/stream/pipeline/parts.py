"""Sources and sinks of pipelines under test."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from configs import SinkError, SourceError
from grouping import People
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sinks import RunInfo
from stream.sources import Source
from tests.support.media import numbered_image


class MemorySink:
    """A Sink that remembers; `fail_in` names the call that raises, at frame `fail_at`."""

    def __init__(
        self,
        *,
        needs_image: bool = False,
        fail_in: str = "",
        fail_at: int = 5,
        delay_s: float = 0.0,
    ) -> None:
        self.needs_image = needs_image
        self.fail_in, self.fail_at, self.delay_s = fail_in, fail_at, delay_s
        self.frames: list[int] = []
        self.times_s: list[float] = []
        self.latencies_ms: list[float] = []
        self.images: list[bool] = []
        self.drops = 0
        self.people = 0
        self.info: SourceInfo | None = None
        self.closed = 0

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        if self.fail_in == "open":
            raise SinkError("cannot open")
        self.info = source

    def write(
        self,
        frame: Frame,
        people: People,
        image: np.ndarray | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        if self.fail_in == "write" and len(self.frames) == self.fail_at:
            raise SinkError("disk full")
        time.sleep(self.delay_s)
        self.frames.append(frame.index)
        self.times_s.append(frame.time_s)
        self.latencies_ms.append(latency_ms)
        self.images.append(image is not None)
        self.people += len(people)
        self.drops = drops

    def close(self) -> None:
        self.closed += 1
        if self.fail_in == "close":
            raise SinkError("cannot finish")


class CountedSource(Source):
    """Images that show their number, made as fast as asked or at `fps`; raises SourceError at
    `fail_at`.
    """

    def __init__(
        self,
        count: int,
        *,
        fps: float | None = None,
        fail_at: int | None = None,
        name: str = "counted",
    ) -> None:
        super().__init__()
        self.name, self.live = name, fps is not None
        self.count, self.fps, self.fail_at = count, fps, fail_at
        self.index = -1
        self.stopped = threading.Event()
        self.image = np.full((64, 96, 3), 96, np.uint8)

    @property
    def info(self) -> SourceInfo:
        return SourceInfo(
            name=self.name,
            width=96,
            height=64,
            fps=self.fps or 25.0,
            frame_count=self.count,
            live=self.live,
        )

    def open(self) -> None:
        self.began_s = time.monotonic()
        self.health.state = "running"

    def grab(self) -> FrameStamp | None:
        if self.index + 1 == self.fail_at:
            raise SourceError("the cable was pulled")
        if self.index + 1 >= self.count or self.stopped.is_set():
            return None
        self.index += 1
        time_s = self.index / (self.fps or 25.0)
        if self.fps is not None and self.stopped.wait(
            max(0.0, self.began_s + time_s - time.monotonic())
        ):
            return None
        return FrameStamp(source=self.name, index=self.index, time_s=time_s)

    def retrieve(self, frame: Frame) -> None:
        frame.allocate(64, 96)[:] = numbered_image(self.index, 96, 64)

    def interrupt(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        pass


def counted(count: int, **choices: Any) -> CountedSource:
    source = CountedSource(count, **choices)
    source.open()
    return source
