"""One source on its way through the pipeline, with everything that is kept apart from other
sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.pipeline.ring import RingBuffer
from stream.render.renderer import Renderer
from stream.sinks import Lossy, Sink
from stream.sources import FrameSlot, Source


@dataclass
class Thinning:
    """Which frames of a source are used at all; one that is not wanted is no drop.

    limit: how many frames to use. stride: use every n-th. max_fps: use at most so many in a second
    of stream time.
    """

    limit: int | None = None
    stride: int = 1
    max_fps: float | None = None
    _seen: int = field(default=0, init=False)
    _used: int = field(default=0, init=False)
    _due_s: float = field(default=0.0, init=False)

    @property
    def done(self) -> bool:
        """Whether no more frames are wanted."""
        return self.limit is not None and self._used >= self.limit

    def expected(self, count: int | None, duration_s: float | None) -> int | None:
        """How many frames of a source with `count` frames in `duration_s` will be used; none where
        that is unknown.
        """
        if count is not None:
            count = -(-count // self.stride)
            if self.max_fps is not None and duration_s is not None:
                count = min(count, round(duration_s * self.max_fps))
        if self.limit is not None:
            return self.limit if count is None else min(count, self.limit)
        return count

    def wants(self, time_s: float) -> bool:
        """Whether the next frame, at that stream time, is to be used."""
        self._seen += 1
        if (self._seen - 1) % self.stride:
            return False
        if self.max_fps is not None:
            period_s = 1 / self.max_fps
            if time_s < self._due_s - period_s / 100:  # time stamps are rounded
                return False
            # Due a period after this one was due, not after it came, or 20 of 30 fps would become
            # 15; a pause earns nothing.
            self._due_s = max(self._due_s + period_s, time_s)
        self._used += 1
        return True


@dataclass
class Channel:
    """A source, the ring that its frames wait in, and where its results go.

    renderer: draws the pictures that its sinks want; it keeps people's colours, so each source has
    one of its own. label: tells its stages from those of other sources; empty where there is only
    one.
    frames, people: written so far; counted by the thread that writes.
    """

    source: Source
    ring: RingBuffer[FrameSlot]
    sinks: Sequence[Sink] = ()
    renderer: Renderer | None = None
    thinning: Thinning = field(default_factory=Thinning)
    label: str = ""
    frames: int = 0
    people: int = 0

    @property
    def draws(self) -> bool:
        """Whether a sink wants the annotated picture."""
        return any(sink.needs_picture for sink in self.sinks)

    @property
    def draws_maps(self) -> bool:
        """Whether heatmaps or tags are to be seen in it."""
        return self.draws and self.renderer is not None and self.renderer.options.maps != "none"

    @property
    def left_out(self) -> dict[str, int]:
        """Pictures that each output left out rather than hold up the source."""
        return {sink.label: sink.dropped for sink in self.sinks if isinstance(sink, Lossy)}

    def stage(self, name: str) -> str:
        """The name of a stage that each source has one of."""
        return f"{name} {self.label}".rstrip()
