"""A video file that is open."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from configs import SourceError
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import SourceHealth
from stream.sources.clock import StreamClock, credible_fps
from stream.sources.conversion import FrameConverter, displayed_size
from stream.sources.decoding import DecodedFrame, decode, has_unknown_video, video_stream
from stream.sources.deinterlace import Deinterlace, deinterlaced


class FileReader:
    """The frames of a container in order, with their stamps; the first one is decoded already.

    Args:
        container: Open; stays the caller's if this fails.
        name: What to call the source.
        path: The file, if it is one that can be opened a second time for its sound.
        health: Where damage is counted.
        deinterlace: Which frames are deinterlaced.
        live: Whether it counts as live.

    Attributes:
        info: What is known of it.
        bad_stamps: Frames whose stamp could not be used.

    Raises:
        SourceError: There is no video in it, or none that can be decoded.
    """

    def __init__(
        self,
        container: InputContainer,
        *,
        name: str,
        path: str | None,
        health: SourceHealth,
        deinterlace: Deinterlace,
        live: bool,
    ) -> None:
        self._name = name
        self._container = container
        self._converter = FrameConverter()
        self._index = -1
        stream = self._find_video(path)
        fps = credible_fps(stream.average_rate, stream.guessed_rate)
        self._time_base = stream.time_base or Fraction(1, av.time_base)
        # AVI has no time stamps, only a rate that they are made from: worth nothing if the rate is
        # 90000.
        self._stamps_made_up = (
            credible_fps(stream.average_rate) is None and stream.average_rate == 1 / self._time_base
        )
        self._clock = StreamClock(self._time_base, fps)
        frames = deinterlaced(decode(container, stream, health, live=False), deinterlace)
        self._current = self._first(frames)
        self._frames: Iterator[DecodedFrame] = chain([self._current], frames)
        width, height = displayed_size(self._current.frame)
        self.info = SourceInfo(
            name=name,
            width=width,
            height=height,
            fps=fps,
            frame_count=stream.frames or None,
            duration_s=None if self._stamps_made_up else _duration_s(container, stream),
            time_base=self._time_base,
            audio_path=path if container.streams.audio else None,
            live=live,
        )

    @property
    def bad_stamps(self) -> int:
        return self._clock.bad_stamps

    def next(self) -> FrameStamp | None:
        """Moves to the next frame; None at the end. Raises av.FFmpegError if it cannot be read."""
        found = next(self._frames, None)
        if found is None:
            return None
        self._current = found
        self._index += 1
        pts = found.frame.pts
        time_s, used = self._clock.stamp(None if self._stamps_made_up else pts)
        return FrameStamp(
            source=self._name,
            index=self._index,
            time_s=time_s,
            capture_ns=found.arrived_ns,
            pts=pts if used else None,
            time_base=self._time_base,
        )

    def convert(self, frame: Frame) -> None:
        """The pixels of the current frame into `frame`."""
        self._converter.convert(self._current.frame, frame)

    def close(self) -> None:
        """Gives the container back."""
        self._container.close()

    def _find_video(self, path: str | None) -> VideoStream:
        stream = video_stream(self._container)
        if stream is not None:
            return stream
        if has_unknown_video(self._container):
            raise SourceError(
                f"the video in {self._name!r} has a codec that FFmpeg cannot decode here; "
                "convert it to H.264"
            )
        seen = "" if path is None else f" ({content(path)})"
        raise SourceError(f"{self._name!r} has no video stream{seen}; give a video")

    def _first(self, frames: Iterator[DecodedFrame]) -> DecodedFrame:
        try:
            found = next(frames, None)
        except av.FFmpegError as error:
            raise SourceError(f"cannot read {self._name!r}: {error.strerror}") from error
        if found is None:
            raise SourceError(
                f"no frame in {self._name!r} can be decoded: it is damaged, or cut off before its "
                "first one"
            )
        return found


def open_file(path: str) -> InputContainer:
    """The file at `path`, opened and probed.

    Raises:
        SourceError: It cannot be opened; one clear line.
    """
    if not Path(path).exists():
        raise SourceError(f"no such file: {path!r}")
    if Path(path).is_dir():
        raise SourceError(f"{path!r} is a folder; give a file in it")
    if Path(path).stat().st_size == 0 and Path(path).is_file():
        raise SourceError(f"{path!r} is empty (0 bytes)")
    try:
        return av.open(path, metadata_errors="replace")
    except av.InvalidDataError as error:
        raise SourceError(
            f"{path!r} is not a video that FFmpeg can read ({content(path)})"
        ) from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"cannot open {path!r}: {error.strerror or error}") from error


def content(path: str) -> str:
    """What the file seems to hold, judged by its first bytes."""
    with Path(path).open("rb") as file:
        head = file.read(4096)
    if head[4:8] == b"ftyp":
        return (
            "an MP4 without its index, as when a recording or a download was cut off, "
            "or without frames"
        )
    if head and not head.translate(None, bytes((*range(32, 256), 7, 8, 9, 10, 12, 13, 27))):
        return "it looks like text" if head.isascii() else "unknown content"
    return "unknown or damaged content"


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
