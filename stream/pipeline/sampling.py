"""Which frames of a source are used at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream.pipeline.config import PipelineConfig


@dataclass
class FrameSampler:
    """Which frames of a source are used at all; one that is not wanted is no drop.

    Attributes:
        limit: How many frames to use; None for all.
        stride: Use every n-th.
        max_fps: Use at most so many per second of stream time; None for all.
    """

    limit: int | None = None
    stride: int = 1
    max_fps: float | None = None
    _seen: int = field(default=0, init=False)
    _used: int = field(default=0, init=False)
    _due_s: float = field(default=0.0, init=False)

    @classmethod
    def of(cls, config: PipelineConfig) -> FrameSampler:
        """The sampler that a configuration asks for."""
        return cls(limit=config.frames, stride=config.stride, max_fps=config.max_fps)

    @property
    def done(self) -> bool:
        """Whether no more frames are wanted."""
        return self.limit is not None and self._used >= self.limit

    def expected(self, count: int | None, duration_s: float | None) -> int | None:
        """How many frames of a source with `count` frames in `duration_s` will be used; None where
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
