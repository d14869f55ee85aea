"""A video file."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
from av.container import InputContainer

from configs import SourceError
from configs.units import counted
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import Source
from stream.sources.clock import Pace
from stream.sources.config import SourceConfig
from stream.sources.decoders import choose_decoder, without_hardware
from stream.sources.file_reader import FileReader, open_file
from stream.sources.guard import Guard
from stream.sources.playlists import playlist_files

logger = logging.getLogger(__name__)

# Announced lengths are estimates in some containers; less than this short of them is no news.
_SHORT_FRAMES = 3
_SHORT_SHARE = 0.02


class FileSource(Source):
    """Every frame of a video file, as fast as it can be decoded.

    Args:
        path: The file.
        config: `realtime` delivers frames at the pace of their time stamps instead, as a camera
            would, and counts as live.
        name: What to call the source in records and messages; `path`, if not given.
        connect: Opens something that is no file on disk (standard input, a file on a web server)
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
        self._reader: FileReader | None = None
        self._info: SourceInfo | None = None
        self._delivered = 0
        self._last_s = 0.0
        self._jumped = False
        self._is_download = connect is not None and path != "-"
        self._interrupted = False
        self._pace = Pace()
        self._guard = Guard(self._release)

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    @property
    def files(self) -> list[Path]:
        """The file, and those that it names if it is a playlist."""
        if self._connect is None:
            return [Path(self._path), *playlist_files(Path(self._path))]
        return [Path("/dev/stdin")] if self._path == "-" else []

    def open(self) -> None:
        """Opens the file and decodes its first frame.

        Raises:
            SourceError: It has no frame that can be decoded, or the decoder that was asked for is
                not there.
        """
        choice = choose_decoder(self._config.decoder, self._config.decoder_gpu)
        if self._connect is None:
            container = open_file(self._path, choice.hardware())
        else:
            choice = without_hardware(choice, self.name)
            container = self._connect()
        try:
            self._reader = FileReader(
                container,
                name=self.name,
                path=self._path if self._connect is None and Path(self._path).is_file() else None,
                health=self.health,
                deinterlace=self._config.deinterlace,
                live=self.live,
                choice=choice,
            )
        except BaseException:
            container.close()
            raise
        self._info = self._reader.info
        self.health.state = "running"

    def grab(self) -> FrameStamp | None:
        with self._guard:
            reader = self._reader
            stamp = None if self._interrupted or reader is None else self._next(reader)
        if reader is None or stamp is None:
            self._report_end()
            return None
        self._delivered, self._last_s = stamp.index + 1, stamp.time_s
        self.health.bad_stamps, self._jumped = reader.bad_stamps, reader.jumped
        if self.live:
            self.health.waited_ns += self._pace.wait(stamp.time_s)
            stamp = replace(stamp, capture_ns=time.monotonic_ns())
        return stamp

    def retrieve(self, frame: Frame) -> None:
        reader = self._reader
        if reader is None:
            raise SourceError(f"cannot read {self.name!r}: it is not open")
        reader.convert(frame)

    def interrupt(self) -> None:
        self._interrupted = True
        self._pace.stop()

    def close(self) -> None:
        self._interrupted = True
        self._guard.close()

    def _release(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _next(self, reader: FileReader) -> FrameStamp | None:
        try:
            return reader.next()
        except av.FFmpegError as error:
            self.health.message = f"cannot be read further: {error.strerror}"
            return None

    def _report_end(self) -> None:
        """Says so if the file ended before what it announced, or parts of it were skipped.

        Raises SourceError where the rest is still on its server.
        """
        info = self.info
        if self._interrupted or self.health.state != "running" or info is None:
            return
        self.health.state = "ended"
        frames, announced = self._delivered, info.frame_count
        known = frames + self.health.corrupt_packets + self.health.hidden_frames
        missing = 0 if announced is None else announced - known
        short = announced is not None and missing > max(_SHORT_FRAMES, _SHORT_SHARE * announced)
        if short or (not self._jumped and self._cut_by_time(info)):
            early = f"ends early: {counted(frames, 'frame')}"
            early += f" of {announced} announced" if announced is not None else ""
            if self._is_download:
                raise SourceError(
                    f"{self.name!r} {early}; the connection was lost and "
                    "could not be taken up again, or the file on the server is cut off"
                )
            self.health.message = f"{early}; the file is cut off or damaged"
        elif self.health.corrupt_packets:
            damaged = counted(self.health.corrupt_packets, "damaged packet")
            self.health.message = f"{damaged} skipped"
        if self.health.message:
            logger.warning("%s: %s", self.name, self.health.message)

    def _cut_by_time(self, info: SourceInfo) -> bool:
        if info.frame_count is not None or info.duration_s is None or info.fps is None:
            return False
        return info.duration_s - self._last_s > max(
            2 / info.fps, 0.5, _SHORT_SHARE * info.duration_s
        )
