"""One output of a source on its own: what goes wrong with it leaves the others alone."""

from __future__ import annotations

import logging
import random
import time

import numpy as np
from numpy.typing import NDArray

from configs.errors import SinkError
from configs.units import counted
from grouping import People
from stream.backoff import backoff_s
from stream.frame import Frame, SourceInfo
from stream.sinks import Abandonable, Lossy, Resumable, RunInfo, Sink

logger = logging.getLogger(__name__)


class Outlet:
    """A sink and how it fares. Used by the thread that writes, except for what is only read.

    A sink that fails is closed, and gets no more frames. One of a live source that may be taken up
    again is asked again instead, after growing waits, for as long as the run lasts.

    Args:
        sink: Opened, written and closed here.
        live: Whether its source is.

    Attributes:
        failure: What it is down with; None while it is well.
        lost: Frames that came while it was down, or that it left out by itself.
    """

    def __init__(self, sink: Sink, *, live: bool) -> None:
        self.sink = sink
        self.failure: Exception | None = None
        self._live = live
        self._run: RunInfo | None = None
        self._info: SourceInfo | None = None
        self._opened = False
        self._ended = False
        self._missed = 0
        self._failures = 0  # in a row
        self._try_again_s = 0.0

    @property
    def label(self) -> str:
        """What people call it, without credentials."""
        return str(getattr(self.sink, "label", type(self.sink).__name__))

    @property
    def gone(self) -> bool:
        """Whether nothing more is written to it."""
        return self._ended

    @property
    def needs_image(self) -> bool:
        """Whether it wants the annotated image of the next frame."""
        return not self._ended and self.sink.needs_image

    @property
    def lost(self) -> int:
        """Frames of a live source that are not in it."""
        return self._missed + (self.sink.dropped if isinstance(self.sink, Lossy) else 0)

    def open(self, info: SourceInfo, run: RunInfo) -> None:
        """Opens the sink. Raises what it raises."""
        self._info, self._run = info, run
        self.sink.open(info, run)
        self._opened = True

    def open_late(self, info: SourceInfo, run: RunInfo) -> None:
        """Opens the sink while others are at work already: what it raises is its own failure."""
        try:
            self.open(info, run)
        except Exception as error:  # noqa: BLE001 - a sink of the user's own may raise anything
            self._fail(error)

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Writes one frame, if the sink can."""
        if self._ended:
            return
        if self.failure is not None and time.monotonic() < self._try_again_s:
            self._missed += 1
            return
        try:
            if not self._opened and self._info is not None and self._run is not None:
                self.open(self._info, self._run)
            self.sink.write(frame, people, image, latency_ms=latency_ms, drops=drops)
        except Exception as error:  # noqa: BLE001 - likewise
            self._fail(error)
            return
        if self.failure is not None:
            logger.warning("%r goes on without %s", self.label, counted(self._missed, "frame"))
            self.failure, self._failures = None, 0

    def close(self, *, complete: bool) -> None:
        """Finishes the sink; an incomplete one leaves an older output in peace.

        May be called twice; what goes wrong is in `failure` then.
        """
        if self._ended:
            return
        self._ended = True
        try:
            if complete or not isinstance(self.sink, Abandonable):
                self.sink.close()
            else:
                self.sink.abandon()
        except Exception as error:  # noqa: BLE001 - likewise
            self.failure = self.failure or error

    def _fail(self, error: Exception) -> None:
        self.failure = error
        if not (self._live and isinstance(self.sink, Resumable) and self.sink.resumable):
            self.close(complete=False)
            return
        self._missed += 1
        wait_s = backoff_s(self._failures, random.random())
        self._failures += 1
        self._try_again_s = time.monotonic() + wait_s
        logger.warning("%s; trying again in %.1f s", error, wait_s)


def joined(failures: list[Exception]) -> Exception:
    """One error for all of them, which names each; itself where it is the only one."""
    if len(failures) == 1:
        return failures[0]
    return SinkError("; ".join(dict.fromkeys(map(str, failures))))
