"""A camera or a network stream that is brought back whenever it is lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import av
from av import VideoFrame
from av.container import InputContainer

from configs import SourceError
from stream.backoff import backoff_s
from stream.frame import SourceInfo
from stream.sources.base import FrameSlot, Source, State
from stream.sources.clock import StreamClock, credible_fps
from stream.sources.config import SourceConfig
from stream.sources.conversion import FrameConverter, displayed_size
from stream.sources.decoding import decode, has_unknown_video, video_stream
from stream.sources.guard import Guard
from stream.sources.network import LiveInput
from stream.sources.reasons import Reason, explain

logger = logging.getLogger(__name__)


class LiveSource(Source):
    """Frames of `live_input` as they come. Lost, it is connected again, for as long as
    `config.reconnect` says.

    What asking again cannot change (wrong password, no such path, no video in it) ends a source
    that has never been reached; one that has been is asked again all the same, for a server that
    restarts says such things too.

    Belongs to the thread that calls `grab`; `interrupt` and `close` may come from another one. A
    `grab` that is waiting for the network at that moment returns after the read time-out at the
    latest, and the connection is closed then.
    """

    live = True

    def __init__(self, live_input: LiveInput, config: SourceConfig) -> None:
        super().__init__()
        self.name = live_input.name
        self._input = live_input
        self._config = config
        self._converter = FrameConverter(config.deinterlace)
        self._stopped = threading.Event()
        self._guard = Guard(self._disconnect)
        self._random = random.Random()
        self._container: InputContainer | None = None
        self._info: SourceInfo | None = None
        self._clock: StreamClock | None = None
        self._index = -1
        self._epoch = 0
        self._lost_s: float | None = None
        self._failures = 0  # in a row

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    def open(self) -> None:
        """Nothing to do: the first `grab` connects, in the thread of this source, so that others
        need not wait.
        """

    def grab(self) -> bool:
        with self._guard:
            while not self._stopped.is_set():
                if self._container is None and not self._connect():
                    continue
                if self._next():
                    return True
            self._disconnect()
            self._enter("ended")
            return False

    def retrieve(self, slot: FrameSlot) -> None:
        self._converter.convert(self._frame, slot)
        pts = self._frame.pts if self._stamp_used else None
        slot.describe(
            source=self.name,
            index=self._index,
            time_s=self.time_s,
            pts=pts,
            time_base=self._time_base,
            capture_ns=self._capture_ns,
            epoch=self._epoch,
        )

    def interrupt(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._guard.close()

    def _connect(self) -> bool:
        """Connects and finds the video; False, after a wait, if that failed. Raises SourceError if
        it is hopeless.
        """
        self._enter("reconnecting" if self._epoch or self._info is not None else "connecting")
        began_s = time.monotonic()
        waited_ns = time.monotonic_ns()
        try:
            self._container = self._input.connect(self._config)
        except (av.FFmpegError, OSError, ValueError) as error:
            limit_s = self._config.open_timeout_s
            reason = explain(
                error, waited_s=time.monotonic() - began_s, limit_s=limit_s, url=self._input.url
            )
            self.health.waited_ns += time.monotonic_ns() - waited_ns
            self._lose(reason)
            return False
        self.health.waited_ns += time.monotonic_ns() - waited_ns
        stream = video_stream(self._container)
        if stream is None:
            unknown = has_unknown_video(self._container)
            self._lose(
                Reason(
                    "unsupported codec" if unknown else "there is no video stream in it", final=True
                )
            )
            return False
        self._time_base = stream.time_base or Fraction(1, av.time_base)
        fps = credible_fps(stream.average_rate, stream.guessed_rate)
        if self._clock is None:
            self._clock = StreamClock(self._time_base, fps)
        else:
            self._clock.resume(
                self._time_base, time.monotonic() - (self._lost_s or time.monotonic())
            )
        self._fps = fps
        self._frames: Iterator[tuple[VideoFrame, int]] = decode(
            self._container, stream, self.health, live=True
        )
        return True

    def _next(self) -> bool:
        """Takes the next frame; False, after a wait, if the source was lost."""
        began_s = time.monotonic()
        try:
            found = next(self._frames, None)
        except (av.FFmpegError, OSError) as error:
            self._lose(
                explain(
                    error, waited_s=time.monotonic() - began_s, limit_s=self._config.read_timeout_s
                )
            )
            return False
        if found is None:
            self._lose(Reason("the stream ended"))
            return False
        self._frame, self._capture_ns = found
        if self.health.state != "running":
            self._arrive()
        assert self._clock is not None
        self._index += 1
        self.time_s, self._stamp_used = self._clock.stamp(self._frame.pts)
        self.health.bad_stamps = self._clock.bad_stamps
        return True

    def _arrive(self) -> None:
        """The first frame after a connection is there."""
        if self._info is None:
            width, height = displayed_size(self._frame)
            self._info = SourceInfo(
                name=self.name,
                width=width,
                height=height,
                fps=self._fps,
                time_base=self._time_base,
                live=True,
            )
        else:
            self._epoch += 1
            self.health.reconnects = self._epoch
        self._failures = 0
        self._enter("running")

    def _lose(self, reason: Reason) -> None:
        """Closes the connection and waits before the next try. Raises SourceError if there is to be
        none.
        """
        self._disconnect()
        if self._stopped.is_set():
            return
        if self._lost_s is None or self.health.state == "running":
            self._lost_s = time.monotonic()
        self.health.message = reason.text
        if reason.timed_out and self.health.state == "running":
            self._enter("stalled")
        hopeless = reason.final and self._info is None
        if hopeless or 0 <= self._config.reconnect <= self._failures:
            tries = f" after {self._failures + 1} tries" if self._failures and not hopeless else ""
            raise SourceError(f"cannot read {self.name!r}{tries}: {reason.text}")
        wait_s = backoff_s(self._failures, self._random.random())
        self._failures += 1
        logger.warning("%s: %s; trying again in %.1f s", self.name, reason.text, wait_s)
        self._enter("reconnecting" if self._info is not None else "connecting")
        waited_ns = time.monotonic_ns()
        self._stopped.wait(wait_s)
        self.health.waited_ns += time.monotonic_ns() - waited_ns

    def _disconnect(self) -> None:
        container, self._container = self._container, None
        self._frames = iter(())
        if container is not None:
            container.close()

    def _enter(self, state: State) -> None:
        if self.health.state != state:
            logger.info("%s: %s", self.name, state)
            self.health.state = state
