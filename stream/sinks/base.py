"""What every output has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from configs import KeypointSet
from grouping import People
from stream.frame import Frame, SourceInfo


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What made the people: goes into headers, titles and summaries."""

    model: str
    runtime: str
    precision: str
    keypoint_set: KeypointSet


class Sink(Protocol):
    """Where results go. `open` once, `write` for every frame in order, `close` whatever happened (it may be called twice).

    needs_picture: whether `write` wants the annotated picture; where no sink does, none is drawn.
    """

    needs_picture: bool

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Gets ready. Raises SinkError if the output cannot be created."""

    def write(self, frame: Frame, people: People, picture: NDArray[np.uint8] | None, *, latency_ms: float, drops: int) -> None:
        """Takes one frame. `people` are in displayed source pixels; `picture` (H, W, 3) uint8 BGR is only lent for the call.

        Raises SinkError if the output can no longer be written (full disk, closed connection).
        """

    def close(self) -> None:
        """Finishes the output so that it can be used, and gives back everything that `open` took."""
