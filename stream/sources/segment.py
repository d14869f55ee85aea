"""A part of a video file, from one key frame to another, so that several machines can share it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from configs import SourceError
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import Source, SourceHealth
from stream.sources.config import SourceConfig
from stream.sources.conversion import FrameConverter, pixel_aspect
from stream.sources.decoders import DecoderChoice
from stream.sources.decoding import DecodedFrame, decode, stamped_by_order, video_stream
from stream.sources.deinterlace import is_wanted
from stream.sources.file_reader import FileReader
from stream.sources.guard import Guard
from stream.sources.packet_times import PacketTimes

# A seek goes by the times of decoding: a key frame that is shown at 10 s may be found only by
# asking for a little less.
_EARLIER_S = (0, 1, 10)


class CutError(SourceError):
    """A video cannot be cut so that its parts are equal to the whole; it says why."""


@dataclass(frozen=True, kw_only=True)
class CutFrame:
    """A frame at a cut, which the parts on both sides decode: they have to agree on it.

    Attributes:
        pts: Its time stamp, in units of the time base of the stream.
        checksum: CRC-32 of its pixels as they are shown.
    """

    pts: int
    checksum: int


def find_cuts(container: InputContainer, every_s: float) -> list[int]:
    """Where a file can be cut: the time stamps of key frames that are about `every_s` apart.

    Args:
        container: Open, at its beginning; where it stands afterwards is not said.
        every_s: Seconds of a part.

    Returns:
        Stamps in units of the time base of its video, increasing, that of the first frame not among
        them. The packets between them are not read.

    Raises:
        CutError: It is of a kind whose parts would not be equal to the whole, or has no key frames
            that can be found.
    """
    stream = video_stream(container)
    if stream is None or stream.time_base is None:
        raise CutError("it has no video with time stamps")
    if PacketTimes(container).may_jump:
        raise CutError(f"the clock of its format ({container.format.name}) may jump")
    if stamped_by_order(container):
        raise CutError(f"its format ({container.format.name}) does not say when frames are shown")
    length_s = _length_s(container, stream)
    if length_s is None:
        raise CutError("it does not say how long it is")
    try:
        first = _key_frame(container, stream)
        if first is None:
            raise CutError("its first packet is no key frame with a time stamp")
        cuts = [first]
        for number in range(1, int(length_s / every_s) + 1):
            at = first + int(number * every_s / stream.time_base)
            container.seek(at, stream=stream)
            found = _key_frame(container, stream)
            # Half a part apart at least: key frames may be rarer than cuts are wanted.
            if found is not None and (found - cuts[-1]) * stream.time_base >= every_s / 2:
                cuts.append(found)
    except av.FFmpegError as error:
        raise CutError(f"its key frames cannot be found: {error.strerror}") from error
    return cuts[1:]


class Whole(NamedTuple):
    """What is known of a file before it is read.

    Attributes:
        info: As of its source.
        start_s: Stream time of its first frame.
    """

    info: SourceInfo
    start_s: Fraction


def describe(container: InputContainer, name: str, config: SourceConfig) -> Whole:
    """What a run over the whole file would say of it; decodes its first frame.

    Args:
        container: Open, at its beginning.
        name: What to call it.
        config: How its frames are deinterlaced.

    Raises:
        SourceError: No frame can be decoded.
    """
    reader = FileReader(
        container,
        name=name,
        path=None,
        health=SourceHealth(),
        deinterlace=config.deinterlace,
        live=False,
        choice=DecoderChoice(),
    )
    try:
        return Whole(reader.info, reader.start_s)
    finally:
        reader.close()


class SegmentSource(Source):
    """The frames that are shown from `begin` up to before `end`; damage is skipped as in a whole
    file.

    Frames count from 0, and `time_s` is that of the file's own stamps: numbers and times in the
    whole file are for those to say who put the parts together.

    Args:
        connect: Opens the file.
        name: What to call it.
        begin: Stamp of its first frame, one of `find_cuts`; None where the file begins.
        end: Stamp of the first frame of the next part; None where the file ends.
        config: How frames are deinterlaced; decoding is always FFmpeg's in software.

    Attributes:
        first: The first frame; None before it was read, and where the file begins.
        following: The frame at `end`; None before it was reached, and where the file ends.
    """

    def __init__(
        self,
        connect: Callable[[], InputContainer],
        name: str,
        *,
        begin: int | None,
        end: int | None,
        config: SourceConfig | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.first: CutFrame | None = None
        self.following: CutFrame | None = None
        self._connect = connect
        self._begin, self._end = begin, end
        self._deinterlace = (config or SourceConfig()).deinterlace
        self._info: SourceInfo | None = None
        self._container: InputContainer | None = None
        self._frames: Generator[DecodedFrame, None, None] | None = None
        self._converter = FrameConverter()
        self._ahead: DecodedFrame | None = None
        self._current: DecodedFrame | None = None
        self._time_base = Fraction(1, av.time_base)
        self._index = -1
        self._earliest: int | None = None
        self._last: int | None = None
        self._interrupted = False
        self._guard = Guard(self._release)

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    @property
    def length_s(self) -> float:
        """Seconds between the first and the last frame that were read."""
        if self._last is None or self._earliest is None:
            return 0.0
        return float((self._last - self._earliest) * self._time_base)

    def open(self) -> None:
        """Opens the file and decodes the first frame of the part.

        Raises:
            CutError: The part does not begin with the frame that it should begin with.
            SourceError: The file cannot be opened.
        """
        self._ahead = self._find_first()
        width, height = self._converter.size(self._ahead.frame)
        if self._begin is not None:
            self.first = self._cut_frame(self._ahead)
        self._info = SourceInfo(
            name=self.name,
            width=width,
            height=height,
            time_base=self._time_base,
        )
        self.health.state = "running"

    def grab(self) -> FrameStamp | None:
        with self._guard:
            found = None if self._interrupted or self._frames is None else self._next()
        if found is None or found.pts is None:
            self.health.state = "ended"
            return None
        self._index += 1
        return FrameStamp(
            source=self.name,
            index=self._index,
            time_s=float(found.pts * self._time_base),
            capture_ns=found.arrived_ns,
            pts=found.pts,
            time_base=self._time_base,
        )

    def retrieve(self, frame: Frame) -> None:
        if self._current is None:
            raise SourceError(f"cannot read {self.name!r}: it is not open")
        self._converter.convert(self._current.frame, frame)

    def interrupt(self) -> None:
        self._interrupted = True

    def close(self) -> None:
        self._interrupted = True
        self._guard.close()

    def _release(self) -> None:
        frames, self._frames = self._frames, None
        container, self._container = self._container, None
        if frames is not None:
            frames.close()
        if container is not None:
            container.close()

    def _next(self) -> DecodedFrame | None:
        frames = self._frames
        assert frames is not None
        found, self._ahead = self._ahead, None
        try:
            found = next(frames, None) if found is None else found
        except av.FFmpegError as error:
            raise CutError(f"it cannot be read further: {error.strerror}") from error
        if found is None:
            return None
        if found.pts is None or (self._last is not None and found.pts <= self._last):
            raise CutError("its frames do not all have time stamps that increase")
        if is_wanted(found.frame, self._deinterlace):
            raise CutError("its frames are interlaced, and are made from their neighbours")
        if self._end is not None and found.pts >= self._end:
            self.following = self._cut_frame(found)
            return None
        self._earliest = found.pts if self._earliest is None else self._earliest
        self._last = found.pts
        self._current = found
        return found

    def _find_first(self) -> DecodedFrame:
        """The first frame of the part, at whose key frame decoding begins."""
        begin = self._begin
        for earlier_s in _EARLIER_S if begin is not None else (0,):
            self._release()
            container, stream = self._open_container()
            if begin is not None:
                container.seek(begin - int(earlier_s / self._time_base), stream=stream)
            health = self.health
            self._frames = frames = decode(
                container, stream, health, PacketTimes(container), DecoderChoice(), live=False
            )
            # What comes first may be frames that are shown before the key frame, and lack theirs.
            found = next((one for one in frames if begin is None or (one.pts or 0) >= begin), None)
            if begin is not None:
                health.corrupt_packets = health.damaged_frames = health.hidden_frames = 0
            if found is not None and (begin is None or found.pts == begin):
                return found
        raise CutError(f"decoding cannot begin at its key frame at {self._shown(begin)}")

    def _open_container(self) -> tuple[InputContainer, VideoStream]:
        self._container = container = self._connect()
        stream = video_stream(container)
        if stream is None or stream.time_base is None:
            raise CutError("it has no video with time stamps")
        self._time_base = stream.time_base
        self._converter = FrameConverter(aspect=pixel_aspect(stream))
        return container, stream

    def _cut_frame(self, decoded: DecodedFrame) -> CutFrame:
        image = Frame()
        self._converter.convert(decoded.frame, image)
        assert decoded.pts is not None
        return CutFrame(pts=decoded.pts, checksum=zlib.crc32(image.image.data))

    def _shown(self, stamp: int | None) -> str:
        return "its beginning" if stamp is None else f"{float(stamp * self._time_base):.3f} s"


def _length_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _key_frame(container: InputContainer, stream: VideoStream) -> int | None:
    """The stamp of the next packet of `stream`, if that is a key frame."""
    for packet in container.demux(stream):
        return packet.pts if packet.is_keyframe else None
    return None
