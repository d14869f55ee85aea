"""Video decoded by GStreamer, where FFmpeg has no decoder for the hardware: on a Jetson.

FFmpeg opens sources and takes their packets, so that time-outs, reconnection and time stamps are
those of every other source; a pipeline in a process of its own (`stream.sources.gstreamer_process`)
makes frames of them. It is started, watched and restarted here: one that ends or says nothing is
replaced, and gets the packets since the last key frame again, so that no frame is lost.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np
from av import VideoFrame
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.stream import VideoStream

from stream.sources.gstreamer_process import CODECS, GStreamerProcess, find_element
from stream.sources.gstreamer_protocol import frame_size
from stream.sources.orientation import UPRIGHT, orientation
from stream.sources.tone_mapping import HLG, PQ

logger = logging.getLogger(__name__)

# Packets that a pipeline may have before it is waited for; decoders of H.264 hold 16 at most.
_MOST_HELD = 24
_STALL_S = 5.0
_STARTS_IN_VAIN = 3  # without a frame in between: then the stream is to blame
_PATIENCE_S = 0.1  # for a live frame: longer means that the decoder holds it back
_START_S = 2.0  # a process usually takes less to start
_SLOWEST_START_S = 10.0
_GROUP = 1000  # packets kept since a key frame; of more, a pipeline that ends loses frames
_MARGIN_S = 10  # how far time stamps may go back behind the first
_NS = 10**9


class GStreamerRefusal(Exception):
    """Why a stream cannot be decoded so; the argument says it."""


class GStreamerDecoder:
    """Packets of one stream into frames.

    Args:
        stream: What the packets are of.
        first: Its first packet, which is looked at only.
        live: Whether a frame is waited for, rather than the pipeline filled.
        stall_s: How long the pipeline may say nothing.

    Attributes:
        element: What decodes in GStreamer.
        restarts: How often the pipeline was replaced.

    Raises:
        GStreamerRefusal: It cannot be decoded so, or what it says of its frames would be lost.
    """

    def __init__(
        self,
        stream: VideoStream,
        first: Packet[Any],
        *,
        live: bool,
        stall_s: float = _STALL_S,
    ) -> None:
        name = stream.codec_context.codec.canonical_name
        if name not in CODECS:
            raise GStreamerRefusal(f"{name} is not one of {', '.join(CODECS)}")
        element = find_element(CODECS[name])
        if element is None:
            raise GStreamerRefusal(f"GStreamer has no decoder for {name} here")
        self._look = _first_frame(stream, first)
        self.element = element
        self.restarts = 0
        self._codec = CODECS[name]
        self._live = live
        self._stall_s = stall_s
        self._context = stream.codec_context
        self._time_base = stream.time_base or Fraction(1, av.time_base)
        filter_name = self._codec.bitstream_filter
        self._filter = BitStreamFilterContext(filter_name, stream) if filter_name else None
        self._origin = 0
        # What was sent from a key frame on: bytes, time stamp, and the bytes as they came.
        self._groups: deque[list[tuple[bytes, int, bytes]]] = deque()
        self._waiting: dict[int, int] = {}  # time stamps that were sent, by nanoseconds
        self._delivered: set[int] = set()  # of the groups
        self._answered = False  # the process that runs now
        self._held = 0
        self._in_vain = 0
        self._process: GStreamerProcess | None = None

    @property
    def process_id(self) -> int | None:
        """Of the pipeline that runs; None before the first packet and after `close`."""
        return None if self._process is None else self._process.process.pid

    def decode(self, packet: Packet[Any]) -> list[VideoFrame]:
        """The frames that are there when `packet` went in.

        Raises:
            GStreamerRefusal: The pipeline ended again and again.
        """
        if packet.size and packet.pts is not None:
            original = bytes(packet), packet.pts  # the filter takes the packet's bytes away
            for filtered in [packet] if self._filter is None else self._filter.filter(packet):
                self._send(bytes(filtered), original, key=packet.is_keyframe)
        return self._collect()

    def rest(self) -> list[VideoFrame]:
        """What the pipeline still holds."""
        frames: list[VideoFrame] = []
        while self._process is not None and self._waiting:
            self._process.end()
            if self._take_all(frames):
                break
        return frames

    def undelivered(self) -> list[VideoFrame]:
        """What was sent and did not come, decoded by FFmpeg, which goes on from there."""
        frames: list[VideoFrame] = []
        for _, pts, original in chain.from_iterable(self._groups):
            packet = Packet(original)
            packet.pts, packet.time_base = pts, self._time_base
            with suppress(av.FFmpegError):  # damaged: the pipeline may have failed at it
                frames += self._context.decode(packet)
        return [frame for frame in frames if frame.pts not in self._delivered]

    def close(self) -> None:
        """Ends the pipeline; a second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _send(self, payload: bytes, original: tuple[bytes, int], *, key: bool) -> None:
        content, pts = original
        if not self._groups:
            self._origin = pts - round(_MARGIN_S / self._time_base)
        if key or not self._groups:
            self._forget_groups()
            self._groups.append([])
        elif len(self._groups[-1]) >= _GROUP:
            self._groups[-1].clear()
            self._forget_delivered()
        self._groups[-1].append((payload, pts, content))
        if self._process is None:
            self._start()
        else:
            self._hand_over(*self._groups[-1][-1][:2])

    def _start(self) -> None:
        """Starts a pipeline, which gets the packets since the last key frame."""
        self._process = GStreamerProcess(self._codec, self.element)
        self._answered = False
        self._waiting.clear()
        for payload, pts, _ in chain.from_iterable(self._groups):
            self._hand_over(payload, pts)

    @property
    def _patience_s(self) -> float:
        """How long the process may say nothing: longer while it starts, on a busy machine."""
        return self._stall_s if self._answered else max(self._stall_s, _SLOWEST_START_S)

    def _forget_groups(self) -> None:
        """Lets go of packets whose frames have all come."""
        waiting = set(self._waiting.values())
        while self._groups and not any(pts in waiting for _, pts, _ in self._groups[0]):
            self._groups.popleft()
        self._forget_delivered()

    def _forget_delivered(self) -> None:
        """Lets go of time stamps that no packet which may be sent again has."""
        self._delivered &= {pts for _, pts, _ in chain.from_iterable(self._groups)}

    def _hand_over(self, payload: bytes, pts: int) -> None:
        time_ns = max(0, round((pts - self._origin) * self._time_base * _NS))
        assert self._process is not None
        self._waiting[time_ns] = pts
        self._process.send(payload, time_ns)

    def _collect(self) -> list[VideoFrame]:
        frames: list[VideoFrame] = []
        quiet_s = time.monotonic()
        while self._process is not None:
            too_many = len(self._waiting) > (self._held if self._live else _MOST_HELD)
            try:
                taken = self._process.take(0.02 if too_many else 0)
            except queue.Empty:
                silent_s = time.monotonic() - quiet_s
                if not too_many:
                    break
                if self._live and not self._answered and silent_s < _START_S:
                    continue  # a process takes its time to start
                if self._live and silent_s > _PATIENCE_S and len(self._waiting) <= _MOST_HELD:
                    self._held = len(self._waiting)
                    break
                if silent_s > self._patience_s:
                    self._replace(f"it said nothing for {self._patience_s:g} s")
                    quiet_s = time.monotonic()
                continue
            quiet_s = time.monotonic()
            if taken is None:
                self._replace(self._process.reason)
                continue
            self._add(frames, *taken)
            if self._live:
                self._held = min(self._held, len(self._waiting))
        return frames

    def _take_all(self, frames: list[VideoFrame]) -> bool:
        """Takes frames to the end of the stream; False if the pipeline was replaced instead."""
        assert self._process is not None
        while True:
            try:
                taken = self._process.take(self._patience_s)
            except queue.Empty:
                self._replace(f"it said nothing for {self._patience_s:g} s")
                return False
            if taken is not None:
                self._add(frames, *taken)
            elif self._process.process.wait() == 0:
                return True
            else:
                self._replace(self._process.reason)
                return False

    def _replace(self, reason: str) -> None:
        self.close()
        self._in_vain += 1
        if self._in_vain > _STARTS_IN_VAIN:
            raise GStreamerRefusal(f"GStreamer's {self.element} failed again and again: {reason}")
        self.restarts += 1
        logger.warning("GStreamer's %s is started again: %s", self.element, reason)
        self._start()

    def _add(self, frames: list[VideoFrame], caps: bytes, time_ns: int, pixels: bytes) -> None:
        if not self._waiting:
            return
        # Decoders of hardware keep microseconds; frames come in the order in which they are shown.
        nearest = min(self._waiting, key=lambda stamp: abs(stamp - time_ns))
        pts = self._waiting[nearest]
        for stamp in [stamp for stamp in self._waiting if stamp <= nearest]:
            del self._waiting[stamp]
        self._in_vain, self._answered = 0, True
        if pts in self._delivered:
            return  # decoded by the process before this one
        self._delivered.add(pts)
        frame = _frame(pixels, *frame_size(caps))
        frame.pts, frame.time_base = pts, self._time_base
        frame.colorspace, frame.color_range = self._look.colorspace, self._look.color_range
        frames.append(frame)


def _first_frame(stream: VideoStream, packet: Packet[Any]) -> VideoFrame:
    """The first frame as FFmpeg decodes it: what it says of itself does not go through a pipe."""
    context = stream.codec_context
    try:
        frames = [*context.decode(packet), *context.decode(None)]
        context.flush_buffers()
    except av.FFmpegError as error:
        raise GStreamerRefusal(f"its first packet is damaged: {error.strerror}") from error
    if not frames:
        raise GStreamerRefusal("its first packet holds no frame")
    frame: VideoFrame = frames[0]
    if packet.pts is None:
        raise GStreamerRefusal("its packets do not say when they are shown")
    if orientation(frame) != UPRIGHT:
        raise GStreamerRefusal("its frames are to be turned before they are shown")
    if frame.color_trc in (PQ, HLG):
        raise GStreamerRefusal("it has a high dynamic range")
    if frame.interlaced_frame:
        raise GStreamerRefusal("it is interlaced")
    return frame


def _frame(pixels: bytes, width: int, height: int) -> VideoFrame:
    """A frame of GStreamer's I420, whose lines begin at multiples of four bytes."""
    frame = VideoFrame(width, height, "yuv420p")
    flat, start = np.frombuffer(pixels, np.uint8), 0
    for plane, halved in zip(frame.planes, (1, 2, 2), strict=True):
        columns, rows = -(-width // halved), -(-height // halved)
        stride, lines = -(-columns // 4) * 4, -(-height // 2) * 2 // halved
        source = flat[start : start + stride * lines].reshape(lines, stride)
        start += stride * lines
        target = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        target[:rows, :columns] = source[:rows, :columns]
    return frame
