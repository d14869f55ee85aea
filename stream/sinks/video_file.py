"""One video file or stream: container, encoder and copied audio together."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import SinkError
from stream.sinks.audio import AudioCopy
from stream.sinks.containers import (
    OUTPUT_ERRORS,
    RELAYED,
    move_index_to_front,
    open_container,
    trim_to_whole_fragments,
)
from stream.sinks.encoders import add_video_stream, choose_encoder, encoder_options
from stream.sinks.files import shown_target
from stream.sinks.relay import Relay
from stream.sinks.video_config import VideoConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VideoFormat:
    """What a video file is made of.

    Attributes:
        container: FFmpeg's name of the container.
        size: Width and height of the frames in pixels; odd sides grow by one.
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
    def low_delay(self) -> bool:
        """Whether somebody watches while it is written, so that a short delay is worth more than a
        small file.
        """
        return self.container in RELAYED


class VideoFile:
    """Encodes frames with their time stamps into `target`, a path or a URL, beside the audio of
    `audio_path`.

    Owned by one thread. Raises SinkError whenever the output cannot be written; what was written so
    far stays playable. `name` is what messages call it; `target` without credentials by default.
    """

    def __init__(
        self,
        target: str,
        video: VideoFormat,
        *,
        audio_path: str | None = None,
        origin_s: Fraction = Fraction(0),
        begin_s: Fraction | None = None,
        name: str | None = None,
    ) -> None:
        self._target = target
        self._name = shown_target(target) if name is None else name
        self._video = video
        width, height = video.size
        even_width, even_height = width + width % 2, height + height % 2
        self._even = (
            np.empty((even_height, even_width, 3), np.uint8)
            if (even_width, even_height) != video.size
            else None
        )
        self._yuv: NDArray[np.uint8] = np.empty((even_height * 3 // 2, even_width), np.uint8)
        self._failed = False
        self._end = 0
        self._relay: Relay | None = None
        try:
            self._open(audio_path, origin_s, begin_s)
        except OUTPUT_ERRORS as error:
            if not self._audio.found:
                raise self._error(error) from error
            logger.warning("the audio of %r is left out: this output cannot carry it", audio_path)
            self._close_quietly()
            try:
                self._open(None, origin_s, begin_s)
            except OUTPUT_ERRORS as second:
                raise self._error(second) from second

    def encode(self, image: NDArray[np.uint8], pts: int) -> None:
        """Adds an image (H, W, 3) uint8 BGR that is shown from `pts` on, in units of the time
        base.
        """
        if self._even is not None:
            right, bottom = (self._even.shape[axis] - image.shape[axis] for axis in (1, 0))
            cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE, dst=self._even)
            image = self._even
        # 0.6 ms at 1080p on one core; swscale needs 1.6.
        cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420, dst=self._yuv)
        frame = av.VideoFrame.from_numpy_buffer(self._yuv, "yuv420p")
        frame.pts, frame.time_base = pts, self._video.time_base
        self._end = pts + max(
            1,
            round(
                1
                / (
                    Fraction(self._video.fps or 30.0).limit_denominator(1001)
                    * self._video.time_base
                )
            ),
        )
        try:
            self._mux(self._stream.encode(frame))
        except OUTPUT_ERRORS as error:
            self._failed = True
            raise self._error(error) from error

    @property
    def connected(self) -> bool:
        """Whether the server of a stream has taken it."""
        return self._relay is not None and self._relay.connected

    def kill(self) -> None:
        """Gives up a stream at once, whatever it waits for. For any thread."""
        if self._relay is not None:
            self._relay.kill()

    @property
    def end_s(self) -> Fraction:
        """When the last frame ends, going by the frame rate."""
        return self._end * self._video.time_base

    def close(self, *, audio_until_s: Fraction | None) -> None:
        """Finishes the file: the last frames, the audio until then (all of it where None), an
        MP4's index to the front.
        """
        try:
            if not self._failed:
                self._mux(self._stream.encode(None))
                self._audio.copy_until(self._container, audio_until_s)
        except OUTPUT_ERRORS as error:
            self._failed = True
            raise self._error(error) from error
        finally:
            self._audio.close()
            try:
                self._close_container()
            finally:
                if self._video.container in ("mp4", "mov"):
                    self._finish_mp4()

    def _open(self, audio_path: str | None, origin_s: Fraction, begin_s: Fraction | None) -> None:
        video = self._video
        encoder = choose_encoder(video.options.video_codec, video.options.video_encoder)
        self._audio = AudioCopy(audio_path, origin_s=origin_s, begin_s=begin_s)
        self._container: Any = self._open_container()
        self._stream = add_video_stream(
            self._container,
            encoder,
            size=(self._yuv.shape[1], self._yuv.shape[0] * 2 // 3),
            fps=video.fps,
            time_base=video.time_base,
            options=encoder_options(encoder, video.options, live=video.low_delay),
        )
        self._audio.add_to(self._container)
        if self._relay is None:
            self._container.start_encoding()
        else:
            self._relay.start()

    def _open_container(self) -> Any:
        video = self._video
        if video.container not in RELAYED:
            return open_container(
                self._target,
                video.container,
                video.time_base,
                live=video.live,
                appended=video.appended,
            )
        self._relay = Relay(self._target, video.container, RELAYED[video.container])
        return self._relay.container

    def _close_quietly(self) -> None:
        self._audio.close()
        with contextlib.suppress(*OUTPUT_ERRORS):
            self._container.close()
        if self._relay is not None:
            self._relay.close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._audio.copy_until(self._container, packet.dts * packet.time_base)
            self._container.mux(packet)

    def _close_container(self) -> None:
        try:
            if self._relay is not None:
                self._relay.close()
                if self._relay.reason:
                    raise BrokenPipeError(self._relay.reason)
            self._container.close()
        except OUTPUT_ERRORS as error:
            if not self._failed:
                self._failed = True
                raise self._error(error) from error

    def _finish_mp4(self) -> None:
        if self._failed:
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
        reason = getattr(error, "strerror", None) or str(error)
        if self._relay is not None:
            self._relay.close()
            reason = self._relay.reason or reason
        return SinkError(f"cannot write {self._name!r}: {reason}")
