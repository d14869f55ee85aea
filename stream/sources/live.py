"""A camera or a network stream that is brought back whenever it is lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from fractions import Fraction
from typing import Protocol

import av
from av.codec.hwaccel import HWAccel

from configs import SourceError
from stream.backoff import backoff_s
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import Source, SourceHealth, State
from stream.sources.clock import Pace, StreamClock, credible_fps
from stream.sources.config import SourceConfig
from stream.sources.conversion import FrameConverter, pixel_aspect
from stream.sources.decoders import DecoderChoice, choose_decoder
from stream.sources.decoding import (
    DecodedFrame,
    decode,
    has_unknown_video,
    read_ahead,
    video_stream,
)
from stream.sources.guard import Guard
from stream.sources.network import Reached
from stream.sources.packet_times import PacketTimes
from stream.sources.reasons import NoVideoError, Reason, explain

logger = logging.getLogger(__name__)

# Formats that carry no time: FFmpeg numbers their frames at a rate that it assumes.
_WITHOUT_TIMES = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "obu", "rawvideo"})
# Formats whose frames come a segment at a time, seconds of them at once.
_IN_SEGMENTS = frozenset({"hls", "dash"})
_LONGEST_DELAY_S = 0.5
_ARRIVALS = Fraction(1, 90_000)  # unit of the stamps that their frames get instead


class _Input(Protocol):
    """What can be connected again and again: a `LiveInput`, or a `WebInput`."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    def connect(self, config: SourceConfig, hardware: HWAccel | None = None) -> Reached: ...


class _Connection:
    """A live source that is there: its frames, their time base and their rate.

    began_ns: when it was asked for. again: whether it was there before, so that somebody wants to
    know when its first frame was taken (`taken_ns`).

    Raises `NoVideoError` if there is none in it.
    """

    def __init__(
        self,
        reached: Reached,
        health: SourceHealth,
        choice: DecoderChoice,
        *,
        began_ns: int,
        again: bool,
    ) -> None:
        container = reached.container
        stream = video_stream(container)
        if stream is None:
            unknown = has_unknown_video(container)
            raise NoVideoError("unsupported codec" if unknown else "there is no video stream in it")
        self._reached = reached
        self.in_segments = container.format.name in _IN_SEGMENTS
        self._timed = container.format.name not in _WITHOUT_TIMES
        self.time_base = stream.time_base or Fraction(1, av.time_base)
        self.fps = credible_fps(stream.average_rate, stream.guessed_rate)
        if not self._timed:
            self.time_base, self.fps = _ARRIVALS, None
        self.aspect = pixel_aspect(stream)
        live_edge = again and self._timed and not self.in_segments
        ahead = read_ahead(container, stream) if live_edge else None
        self._began_ns = began_ns
        self._newest_ns = time.monotonic_ns()
        stamps = [each.pts for each in ahead or () if each.pts is not None]
        self._newest_pts = max(stamps, default=None)
        # RTSP's first frame has no stamp: it is the one before the first that has.
        step = (stamps[-1] - stamps[0]) // (len(stamps) - 1) if len(stamps) > 1 else 0
        self._unstamped_pts = min(stamps, default=0) - step
        self.frames = decode(
            container, stream, health, PacketTimes(container), choice, live=True, ahead=ahead
        )

    def stamp_of(self, found: DecodedFrame) -> int | None:
        """When the frame is shown, in units of `time_base`; None where that is not known."""
        return found.pts if self._timed else int(found.arrived_ns * 1e-9 / _ARRIVALS)

    def taken_ns(self, found: DecodedFrame) -> int:
        """When about a frame was taken, as `time.monotonic_ns()`: what came while FFmpeg looked at
        the stream (half a second, before the first frame is out) is as old as its stamp says, but
        not older than the connection.
        """
        pts = self._unstamped_pts if found.pts is None else found.pts
        if self._newest_pts is None or pts > self._newest_pts:
            return found.arrived_ns
        age_ns = int((self._newest_pts - pts) * self.time_base * 1_000_000_000)
        return max(self._began_ns, self._newest_ns - age_ns)

    def close(self) -> None:
        self.frames.close()
        self._reached.close()


class LiveSource(Source):
    """Frames of `live_input` as they come. Lost, it is connected again, for as long as
    `config.reconnect` says.

    What asking again cannot change (wrong password, no such path, no video in it, no such camera)
    ends a source that has never been reached; one that has been is asked again all the same, for a
    server that restarts says such things too.

    Belongs to the thread that calls `grab`; `interrupt` and `close` may come from another one. A
    `grab` that is waiting for the network at that moment returns after the read time-out at the
    latest, and the connection is closed then.
    """

    live = True

    def __init__(self, live_input: _Input, config: SourceConfig) -> None:
        super().__init__()
        self.name = live_input.name
        self._input = live_input
        self._config = config
        self._choice = DecoderChoice()
        self._converter = FrameConverter(config.deinterlace)
        self._stopped = threading.Event()
        self._guard = Guard(self._disconnect)
        self._random = random.Random()
        self._connection: _Connection | None = None
        self._current: DecodedFrame | None = None
        self._info: SourceInfo | None = None
        self._clock: StreamClock | None = None
        self._pace = Pace(_LONGEST_DELAY_S)
        self._index = -1
        self._arrived_ns = 0
        self._captured_ns = 0
        self._epoch = 0
        self._failures = 0  # in a row

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    def open(self) -> None:
        """Raises SourceError if the decoder that was asked for is not there.

        The first `grab` connects, in the thread of this source, so that others need not wait.
        """
        self._choice = choose_decoder(self._config.decoder, self._config.decoder_gpu)

    def grab(self) -> FrameStamp | None:
        with self._guard:
            while not self._stopped.is_set():
                connection = self._connection or self._connect()
                stamp = None if connection is None else self._next(connection)
                if stamp is not None:
                    return stamp
            self._disconnect()
            self._enter("ended")
            return None

    def retrieve(self, frame: Frame) -> None:
        if self._current is None:
            raise SourceError(f"cannot read {self.name!r}: no frame was grabbed")
        self._converter.convert(self._current.frame, frame)

    def interrupt(self) -> None:
        self._stopped.set()
        self._pace.stop()

    def close(self) -> None:
        self.interrupt()
        self._guard.close()

    def _connect(self) -> _Connection | None:
        """Connects and finds the video; None, after a wait, if that failed. Raises SourceError if
        it is hopeless.
        """
        self._enter("reconnecting" if self._epoch or self._info is not None else "connecting")
        began_ns = time.monotonic_ns()
        try:
            reached = self._input.connect(self._config, self._choice.hardware())
        except (av.FFmpegError, OSError, ValueError) as error:
            waited_ns = time.monotonic_ns() - began_ns
            self.health.waited_ns += waited_ns
            limit_s = self._config.open_timeout_s
            self._lose(
                explain(error, waited_s=waited_ns * 1e-9, limit_s=limit_s, url=self._input.url)
            )
            return None
        again = self._clock is not None
        try:
            self._connection = _Connection(
                reached, self.health, self._choice, began_ns=began_ns, again=again
            )
        except NoVideoError as error:
            self.health.waited_ns += time.monotonic_ns() - began_ns
            reached.close()
            self._lose(Reason(str(error), final=True))
            return None
        self.health.waited_ns += time.monotonic_ns() - began_ns
        self._converter.aspect = self._connection.aspect
        return self._connection

    def _next(self, connection: _Connection) -> FrameStamp | None:
        """Takes the next frame; None, after a wait, if the source was lost."""
        began_s = time.monotonic()
        try:
            found = next(connection.frames, None)
        except (av.FFmpegError, OSError) as error:
            waited_s, limit_s = time.monotonic() - began_s, self._config.read_timeout_s
            self._lose(explain(error, waited_s=waited_s, limit_s=limit_s))
            return None
        if found is None:
            self._lose(Reason("the stream ended"))
            return None
        self._current = found
        if self._clock is not None and self.health.state != "running":
            gap_s = (connection.taken_ns(found) - self._captured_ns) * 1e-9
            self._clock.resume(connection.time_base, gap_s)
        if self.health.state != "running":
            self._arrive(connection, found)
        if self._clock is None:
            self._clock = StreamClock(connection.time_base, connection.fps, live=True)
        waited_s = (found.arrived_ns - (self._arrived_ns or found.arrived_ns)) * 1e-9
        self._arrived_ns = found.arrived_ns
        self._index += 1
        pts = connection.stamp_of(found)
        time_s, used = self._clock.stamp(pts, waited_s=waited_s)
        self.health.bad_stamps = self._clock.bad_stamps
        captured_ns = found.arrived_ns
        if connection.in_segments:
            # Whoever takes the newest frame would see one of a whole segment.
            self.health.waited_ns += self._pace.wait(float(time_s))
            captured_ns = time.monotonic_ns()
        self._captured_ns = captured_ns
        return FrameStamp(
            source=self.name,
            index=self._index,
            time_s=float(time_s),
            capture_ns=captured_ns,
            pts=pts if used else None,
            time_base=connection.time_base,
            epoch=self._epoch,
        )

    def _arrive(self, connection: _Connection, first: DecodedFrame) -> None:
        """The first frame after a connection is there."""
        if self._info is None:
            width, height = self._converter.size(first.frame)
            self._info = SourceInfo(
                name=self.name,
                width=width,
                height=height,
                fps=connection.fps,
                time_base=connection.time_base,
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
        self.health.message = reason.text
        if reason.timed_out and self.health.state == "running":
            self._enter("stalled")
        reconnect = self._config.reconnect
        hopeless = self._info is None and (reason.final or (reason.absent and reconnect is None))
        if hopeless or (reconnect is not None and 0 <= reconnect <= self._failures):
            tries = f" after {self._failures + 1} tries" if self._failures and not hopeless else ""
            raise SourceError(f"cannot read {self._title!r}{tries}: {reason.text}")
        wait_s = backoff_s(self._failures, self._random.random())
        self._failures += 1
        logger.warning(
            "%s: %s; trying again in %.1f s",
            self._title,
            reason.text,
            wait_s,
            extra={"data": {**self._log_data, "reason": reason.text}},
        )
        self._enter("reconnecting" if self._info is not None else "connecting")
        waited_ns = time.monotonic_ns()
        self._stopped.wait(wait_s)
        self.health.waited_ns += time.monotonic_ns() - waited_ns

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _enter(self, state: State) -> None:
        if self.health.state != state:
            data = {**self._log_data, "state": state}
            logger.info("%s: %s", self._title, state, extra={"data": data})
            self.health.state = state
