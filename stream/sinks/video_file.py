"""One video file or stream: container, encoder and copied audio together."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import SinkError
from stream.sinks.audio import AudioCopy, AudioReader
from stream.sinks.containers import (
    OUTPUT_ERRORS,
    RELAYED,
    move_index_to_front,
    open_container,
    trim_to_whole_fragments,
)
from stream.sinks.encoders import (
    add_video_stream,
    choose_encoder,
    encoder_options,
    ordinary_scheduling,
)
from stream.sinks.files import reason_of, shown_target
from stream.sinks.relay import Relay
from stream.sinks.video_config import VideoConfig

logger = logging.getLogger(__name__)


# MP4 counts how long a frame is shown in 31 bits: 6.6 hours in ticks of a transport stream, which a
# camera may well be away for, and then FFmpeg gives up. The frame is encoded once more in between.
_SHORT_STEPS = ("mp4", "mov")
_LONGEST_STEP = 1 << 28  # a frame may be decoded some frames before it is shown


_SMALLEST_PX = 32
# libx265 needs 16; but with 40x16, 40x32 and 40x64 it writes over memory, and the process aborts.
_SMALLEST_HEVC_PX = 64


@dataclass(frozen=True, kw_only=True)
class VideoFormat:
    """What a video file is made of.

    Attributes:
        container: FFmpeg's name of the container.
        size: Width and height of the frames in pixels; odd sides grow by one, tiny ones to 32
            (HEVC: 64).
        time_base: Unit of time stamps, in seconds.
        fps: Announced frame rate; None where unknown.
        options: How it is encoded.
        live: Whether it has no end in sight, so that an HLS playlist only keeps what is recent.
        appended: Whether an HLS playlist that is there is gone on with.
    """

    container: str
    size: tuple[int, int]
    time_base: Fraction
    fps: float | None
    options: VideoConfig
    live: bool = False
    appended: bool = False

    @property
    def encoded_size(self) -> tuple[int, int]:
        """Width and height that encoders take: even, and large enough for a block."""
        least = _SMALLEST_HEVC_PX if self.options.video_codec == "hevc" else _SMALLEST_PX
        width, height = (max(side + side % 2, least) for side in self.size)
        return width, height

    @property
    def low_delay(self) -> bool:
        """Whether somebody watches while it is written, so that a short delay is worth more than a
        small file.
        """
        return self.container in RELAYED


class VideoFile:
    """Encodes frames with their time stamps into a file or a stream, beside its sound.

    Owned by one thread. What was written so far stays playable whenever it cannot go on.

    Args:
        target: A path or a URL.
        video: What it is made of.
        audio: The sound, from where it is now.
        begin_s: Stream time at which the file's own time begins.
        name: What messages call it; `target` without credentials by default.

    Raises:
        SinkError: The output cannot be written, here and in all that follows.
    """

    def __init__(
        self,
        target: str,
        video: VideoFormat,
        *,
        audio: AudioReader,
        begin_s: Fraction,
        name: str | None = None,
    ) -> None:
        self._target = target
        self._name = shown_target(target) if name is None else name
        self._video = video
        even_width, even_height = video.encoded_size
        self._even = (
            np.empty((even_height, even_width, 3), np.uint8)
            if video.encoded_size != video.size
            else None
        )
        self._yuv: NDArray[np.uint8] = np.empty((even_height * 3 // 2, even_width), np.uint8)
        self._failed = False
        self._last: int | None = None
        fps = Fraction(video.fps or 30.0).limit_denominator(1001)
        self._period = max(1, round(1 / (fps * video.time_base)))
        try:
            try:
                self._parts = _open_parts(target, video, audio, begin_s)
            except OUTPUT_ERRORS:
                if audio.stream is None:
                    raise
                audio.give_up("this output cannot carry it")
                self._parts = _open_parts(target, video, audio, begin_s)
        except OUTPUT_ERRORS as error:
            raise _sink_error(self._name, error, None) from error

    def encode(self, image: NDArray[np.uint8], pts: int) -> None:
        """Adds an image (H, W, 3) uint8 BGR that is shown from `pts` on, in units of the time
        base.
        """
        if self._even is not None:
            right, bottom = (self._even.shape[axis] - image.shape[axis] for axis in (1, 0))
            cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE, dst=self._even)
            image = self._even
        try:
            if self._video.container in _SHORT_STEPS:
                while self._last is not None and pts - self._last > _LONGEST_STEP:
                    self._encode_converted(self._last + _LONGEST_STEP)
            # 0.6 ms at 1080p on one core; swscale needs 1.6.
            cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420, dst=self._yuv)
            self._encode_converted(pts)
        except OUTPUT_ERRORS as error:
            self._failed = True
            raise self._error(error) from error

    def _encode_converted(self, pts: int) -> None:
        """Encodes the image that was converted last."""
        frame = av.VideoFrame.from_numpy_buffer(self._yuv, "yuv420p")
        frame.pts, frame.time_base = pts, self._video.time_base
        self._last = pts
        self._mux(self._parts.stream.encode(frame))

    @property
    def connected(self) -> bool:
        """Whether the server of a stream has taken it."""
        relay = self._parts.relay
        return relay is not None and relay.connected

    @property
    def progress(self) -> object:
        """Of a stream, what changes with each step to its server, and while that takes it."""
        return None if self._parts.relay is None else self._parts.relay.progress

    def kill(self) -> None:
        """Gives up a stream at once, whatever it waits for. For any thread."""
        if self._parts.relay is not None:
            self._parts.relay.kill()

    def give_up(self) -> None:
        """Nothing more is written: the file was removed."""
        self._failed = True

    @property
    def end_s(self) -> Fraction:
        """When the last frame ends, going by the frame rate."""
        return Fraction(0 if self._last is None else self._last + self._period) * (
            self._video.time_base
        )

    def close(self, *, audio_until_s: Fraction | None) -> None:
        """Finishes the file: the last frames, the audio until then (all of it where None), an
        MP4's index to the front.
        """
        parts = self._parts
        try:
            if not self._failed:
                self._mux(parts.stream.encode(None))
                parts.audio.copy_until(parts.container, audio_until_s)
        except OUTPUT_ERRORS as error:
            self._failed = True
            raise self._error(error) from error
        finally:
            try:
                self._close_container()
            finally:
                if self._video.container in ("mp4", "mov"):
                    self._finish_mp4()

    def _mux(self, packets: list[Any]) -> None:
        parts = self._parts
        for packet in packets:
            parts.audio.copy_until(parts.container, packet.dts * packet.time_base)
            parts.container.mux(packet)

    def _close_container(self) -> None:
        relay = self._parts.relay
        try:
            if relay is not None:
                relay.close()
                if relay.reason:
                    raise BrokenPipeError(relay.reason)
            self._parts.container.close()
        except OUTPUT_ERRORS as error:
            if not self._failed:
                self._failed = True
                raise self._error(error) from error

    def _finish_mp4(self) -> None:
        if self._failed:
            with contextlib.suppress(OSError):  # it is not there any more
                trim_to_whole_fragments(Path(self._target))
        elif self._video.options.faststart:
            self._move_index()

    def _move_index(self) -> None:
        try:
            move_index_to_front(Path(self._target), self._video.time_base)
        except OUTPUT_ERRORS as error:
            logger.warning(
                "%r stays a fragmented MP4 (it plays, but is slower to seek in): %s",
                self._name,
                error,
            )

    def _error(self, error: Exception) -> SinkError:
        return _sink_error(self._name, error, self._parts.relay)


class _Parts(NamedTuple):
    """What an open output consists of."""

    container: Any
    stream: Any
    audio: AudioCopy
    relay: Relay | None


def _open_parts(target: str, video: VideoFormat, reader: AudioReader, begin_s: Fraction) -> _Parts:
    """Creates the output and writes its header; nothing stays open if that fails."""
    encoder = choose_encoder(video.options.video_codec, video.options.video_encoder)
    audio = AudioCopy(reader, begin_s=begin_s, container_format=video.container)
    relay: Relay | None = None
    if video.container in RELAYED:
        relay = Relay(target, video.container, RELAYED[video.container])
        container = relay.container
    else:
        container = open_container(
            target, video.container, video.time_base, live=video.live, appended=video.appended
        )
    try:
        stream = add_video_stream(
            container,
            encoder,
            size=video.encoded_size,
            fps=video.fps,
            time_base=video.time_base,
            options=encoder_options(encoder, video.options, live=video.low_delay),
        )
        audio.add_to(container)
        with ordinary_scheduling():
            if relay is None:
                container.start_encoding()
            else:
                relay.start()
    except BaseException as error:
        with contextlib.suppress(*OUTPUT_ERRORS):
            container.close()
        if relay is not None:
            relay.close()
            if relay.reason:
                raise BrokenPipeError(relay.reason) from error
        raise
    return _Parts(container, stream, audio, relay)


def _sink_error(name: str, error: Exception, relay: Relay | None) -> SinkError:
    reason = reason_of(error)
    if relay is not None:
        relay.close()
        reason = relay.reason or getattr(error, "strerror", None) or str(error)
    return SinkError(f"cannot write {name!r}: {reason}")
