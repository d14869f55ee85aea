"""A video file."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av import VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from configs import SourceError
from stream.frame import SourceInfo
from stream.sources.base import FrameSlot, Source
from stream.sources.clock import StreamClock, credible_fps
from stream.sources.config import SourceConfig
from stream.sources.conversion import FrameConverter, displayed_size
from stream.sources.decoding import decode, has_unknown_video, video_stream
from stream.sources.deinterlace import deinterlaced
from stream.sources.guard import Guard
from stream.sources.pace import Pace

logger = logging.getLogger(__name__)

# Announced lengths are estimates in some containers; less than this short of them is no news.
_SHORT_FRAMES = 3
_SHORT_SHARE = 0.02


class FileSource(Source):
    """Every frame of the video file at `path`, as fast as it can be decoded.

    config: `realtime` delivers frames at the pace of their time stamps instead, as a camera
    would, and counts as live. name: what to call the source in records and messages; `path`, if not
    given.
    connect: opens something that is no file on disk (standard input, a file on a web server)
        instead of `path`; its sound cannot be copied, because it cannot be read twice.
    """

    def __init__(
        self,
        path: str,
        config: SourceConfig | None = None,
        *,
        name: str | None = None,
        connect: Callable[[], InputContainer] | None = None,
    ) -> None:
        super().__init__()
        self.name = path if name is None else name
        self._config = config or SourceConfig()
        self.live = self._config.realtime
        self._path = path
        self._connect = connect
        self._converter = FrameConverter()
        self._container: InputContainer | None = None
        self._info: SourceInfo | None = None
        self._interrupted = False
        self._pace = Pace()
        self._guard = Guard(self._release)

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    def open(self) -> None:
        """Opens the file and decodes its first frame. Raises SourceError if it has none."""
        self._container = open_file(self._path) if self._connect is None else self._connect()
        stream = video_stream(self._container)
        if stream is None:
            unknown = has_unknown_video(self._container)
            self.close()
            if unknown:
                raise SourceError(
                    f"the video in {self.name!r} has a codec that FFmpeg cannot decode here; "
                    "convert it to H.264"
                )
            content = "" if self._connect is not None else f" ({_content(self._path)})"
            raise SourceError(f"{self.name!r} has no video stream{content}; give a video")
        fps = credible_fps(stream.average_rate, stream.guessed_rate)
        self._time_base = stream.time_base or Fraction(1, av.time_base)
        # AVI has no time stamps, only a rate that they are made from: worth nothing if the rate is
        # 90000.
        self._stamps_made_up = (
            credible_fps(stream.average_rate) is None and stream.average_rate == 1 / self._time_base
        )
        self._clock = StreamClock(self._time_base, fps)
        decoded = decode(self._container, stream, self.health, live=False)
        self._frames: Iterator[tuple[VideoFrame, int]] = deinterlaced(
            decoded, self._config.deinterlace
        )
        self._index = -1
        try:
            self._ahead = next(self._frames, None)
        except av.FFmpegError as error:
            self.close()
            raise SourceError(f"cannot read {self.name!r}: {error.strerror}") from error
        if self._ahead is None:
            self.close()
            raise SourceError(
                f"no frame in {self.name!r} can be decoded: it is damaged, or cut off before its "
                "first one"
            )
        width, height = displayed_size(self._ahead[0])
        self._info = SourceInfo(
            name=self.name,
            width=width,
            height=height,
            fps=fps,
            frame_count=stream.frames or None,
            duration_s=None if self._stamps_made_up else _duration_s(self._container, stream),
            time_base=self._time_base,
            audio_path=self._path
            if self._connect is None and self._container.streams.audio
            else None,
            live=self.live,
        )
        self.health.state = "running"

    def grab(self) -> bool:
        with self._guard:
            found = None if self._interrupted else self._ahead or self._next()
        self._ahead = None
        if found is None:
            self._report_end()
            return False
        self._frame, self._capture_ns = found
        self._index += 1
        self.time_s, self._stamp_used = self._clock.stamp(
            None if self._stamps_made_up else self._frame.pts
        )
        self.health.bad_stamps = self._clock.bad_stamps
        if self.live:
            self.health.waited_ns += self._pace.wait(self.time_s)
            self._capture_ns = time.monotonic_ns()
        return True

    def retrieve(self, slot: FrameSlot) -> None:
        self._converter.convert(self._frame, slot)
        slot.describe(
            source=self.name,
            index=self._index,
            time_s=self.time_s,
            pts=self._frame.pts if self._stamp_used else None,
            time_base=self._time_base,
            capture_ns=self._capture_ns,
        )

    def interrupt(self) -> None:
        self._interrupted = True
        self._pace.stop()

    def close(self) -> None:
        self._interrupted = True
        self._guard.close()

    def _release(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _next(self) -> tuple[VideoFrame, int] | None:
        try:
            return next(self._frames, None)
        except av.FFmpegError as error:
            self.health.message = f"cannot be read further: {error.strerror}"
            return None

    def _report_end(self) -> None:
        """Says so if the file ended before what it announced, or parts of it were skipped."""
        if self._interrupted or self.health.state != "running" or self._info is None:
            return
        self.health.state = "ended"
        frames, announced = self._index + 1, self._info.frame_count
        missing = 0 if announced is None else announced - frames - self.health.corrupt_packets
        short = announced is not None and missing > max(_SHORT_FRAMES, _SHORT_SHARE * announced)
        if short or self._cut_by_time():
            of = f" of {announced} announced" if announced is not None else ""
            self.health.message = f"ends early: {frames} frames{of}; the file is cut off or damaged"
        elif self.health.corrupt_packets:
            self.health.message = f"{self.health.corrupt_packets} damaged packets were skipped"
        if self.health.message:
            logger.warning("%s: %s", self.name, self.health.message)

    def _cut_by_time(self) -> bool:
        info = self._info
        if (
            info is None
            or info.frame_count is not None
            or info.duration_s is None
            or info.fps is None
        ):
            return False
        return info.duration_s - self.time_s > max(
            2 / info.fps, 0.5, _SHORT_SHARE * info.duration_s
        )


def open_file(path: str) -> InputContainer:
    """The file at `path`, opened and probed. Raises SourceError with one clear line if that cannot
    be done.
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
            f"{path!r} is not a video that FFmpeg can read ({_content(path)})"
        ) from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"cannot open {path!r}: {error.strerror or error}") from error


def _content(path: str) -> str:
    """What the file seems to hold, judged by its first bytes."""
    with Path(path).open("rb") as file:
        head = file.read(4096)
    if head[4:8] == b"ftyp":
        return "an MP4 without its index, as when a recording or a download was cut off, or without frames"
    if head and not head.translate(None, bytes((*range(32, 256), 7, 8, 9, 10, 12, 13, 27))):
        return "it looks like text" if head.isascii() else "unknown content"
    return "unknown or damaged content"


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
