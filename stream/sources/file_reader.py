"""A video file that is open."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.stream import VideoStream

from basics.paths import ffmpeg_path, is_there
from configs import SourceError
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import SourceHealth
from stream.sources.clock import StreamClock, credible_fps
from stream.sources.conversion import FrameConverter, pixel_aspect
from stream.sources.decoders import DecoderChoice, open_container
from stream.sources.decoding import DecodedFrame, decode, has_unknown_video, video_stream
from stream.sources.deinterlace import Deinterlace, deinterlaced
from stream.sources.packet_times import PacketTimes

# A file that begins a little after 0 (encoder delay, a late video track) keeps its time stamps. A
# broadcast or camera clock that begins anywhere would make players show hours of nothing first.
_LATEST_START_S = 1
_PRIMING_S = Fraction(1, 10)  # sound may begin before 0 by what its decoder throws away: AAC 44 ms
_EDITED = "mp4"  # in FFmpeg's names of the formats that have edit lists
_APART_S = 10  # further apart, frames and sound do not have the same clock


class FileReader:
    """The frames of a container in order, with their stamps; the first one is decoded already.

    Stream time is what players show: of a file that begins at 0, or a little later, the time stamps
    themselves. A clock that begins anywhere (transport streams) is taken off, so that frames or
    sound, whichever come first, begin at 0.

    Args:
        container: Open; stays the caller's if this fails.
        name: What to call the source.
        path: The file, if it is one that can be opened a second time for its sound.
        health: Where damage is counted.
        deinterlace: Which frames are deinterlaced.
        live: Whether it counts as live.
        choice: What decodes.

    Attributes:
        info: What is known of it.
        start_s: Stream time of its first frame.
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
        choice: DecoderChoice,
    ) -> None:
        self._name = name
        self._container = container
        self._index = -1
        stream = self._find_video(path)
        self._converter = FrameConverter(aspect=pixel_aspect(stream))
        fps = _frame_rate(container, stream)
        self._time_base = stream.time_base or Fraction(1, av.time_base)
        # AVI has no time stamps, only a rate that they are made from: worth nothing if the rate is
        # 90000.
        self._stamps_made_up = (
            credible_fps(stream.average_rate) is None and stream.average_rate == 1 / self._time_base
        )
        self._times = PacketTimes(container)
        decoded = decode(container, stream, health, self._times, choice, live=False)
        frames = deinterlaced(decoded, deinterlace)
        self._frames = frames
        self._current = self._first(frames)
        self._ahead = deque([self._current])  # decoded already
        self.start_s, origin_s = self._start()
        self._clock = StreamClock(self._time_base, fps, start_s=self.start_s)
        width, height = self._converter.size(self._current.frame)
        has_sound = bool(container.streams.audio)
        self.info = SourceInfo(
            name=name,
            width=width,
            height=height,
            fps=fps,
            frame_count=_frame_count(container, stream),
            duration_s=None if self._stamps_made_up else _duration_s(container, stream),
            time_base=self._time_base,
            audio_path=path if has_sound else None,
            audio_origin_s=origin_s,
            silent_because="it can be read only once" if has_sound and path is None else None,
            live=live,
        )

    @property
    def bad_stamps(self) -> int:
        return self._clock.bad_stamps

    @property
    def jumped(self) -> bool:
        """Whether its clock has jumped, so that the length that it announces means nothing."""
        return self._times.jumped

    def next(self) -> FrameStamp | None:
        """Moves to the next frame; None at the end.

        Raises:
            av.FFmpegError: The frame cannot be read.
        """
        found = self._ahead.popleft() if self._ahead else next(self._frames, None)
        if found is None:
            return None
        self._current = found
        self._index += 1
        pts = self._believable(self._pts(found))
        time_s, used = self._clock.stamp(pts)
        return FrameStamp(
            source=self._name,
            index=self._index,
            time_s=float(time_s),
            capture_ns=found.arrived_ns,
            pts=pts if used else None,
            time_base=self._time_base,
        )

    def _pts(self, decoded: DecodedFrame) -> int | None:
        return None if self._stamps_made_up else decoded.pts

    def _believable(self, pts: int | None) -> int | None:
        """`pts`, unless it is far off and the frame after it goes on from the one before."""
        if self._clock.fits(pts):
            return pts
        after = next(self._frames, None)
        if after is None:
            return pts
        self._ahead.append(after)
        return None if self._clock.stands_alone(pts, self._pts(after)) else pts

    def _start(self) -> tuple[Fraction, Fraction]:
        """The stream time of the first frame, and what is taken off the time stamps for it."""
        pts = self._pts(self._current)
        if pts is None:
            return Fraction(0), Fraction(0)
        first_s = begin_s = pts * self._time_base
        for sound in self._container.streams.audio[:1]:
            if sound.start_time is not None and sound.time_base is not None:
                sound_s = sound.start_time * sound.time_base
                if abs(sound_s - first_s) <= _APART_S:
                    begin_s = min(begin_s, sound_s)
        kept = (
            not self._times.may_jump and first_s >= 0 and -_PRIMING_S <= begin_s <= _LATEST_START_S
        )
        origin_s = Fraction(0) if kept else begin_s
        return max(Fraction(0), first_s - origin_s), origin_s

    def convert(self, frame: Frame) -> None:
        """The pixels of the current frame into `frame`."""
        self._converter.convert(self._current.frame, frame)

    def close(self) -> None:
        """Gives the container back, and what decodes beside it."""
        self._frames.close()
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
        if self._container.streams.audio:
            raise SourceError(f"{self._name!r} has no video stream, only sound; give a video")
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


def open_file(path: str, hardware: HWAccel | None = None) -> InputContainer:
    """The file at `path`, opened and probed, to be decoded by `hardware` where that can.

    Raises:
        SourceError: It cannot be opened; one clear line.
    """
    if not is_there(path):
        raise SourceError(f"no such file: {path!r}")
    if Path(path).is_dir():
        raise SourceError(f"{path!r} is a folder; give a file in it")
    if Path(path).stat().st_size == 0 and Path(path).is_file():
        raise SourceError(f"{path!r} is empty (0 bytes)")
    try:
        return open_container(ffmpeg_path(path), hardware, metadata_errors="replace")
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


def _frame_rate(container: InputContainer, stream: VideoStream) -> float | None:
    average, guessed = credible_fps(stream.average_rate), credible_fps(stream.guessed_rate)
    if container.format.name == "avi" and average and guessed:
        # With B-frames, packets that hold nothing are counted too: one for each that does.
        return min(average, guessed)
    return average or guessed


def _frame_count(container: InputContainer, stream: VideoStream) -> int | None:
    """How many frames are announced."""
    average, fps = credible_fps(stream.average_rate), _frame_rate(container, stream)
    if average and fps and fps < average:
        return round(stream.frames * fps / average) or None
    # An edit list that hides whole groups of frames takes them out of FFmpeg's index.
    indexed = len(stream.index_entries) if _EDITED in container.format.name else 0
    return min(stream.frames, indexed or stream.frames) or None


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    if not container.duration:
        return None
    begin = 0
    if "matroska" in container.format.name:  # which says when it ends, from 0
        begin = max(0, container.start_time or 0)
    return (container.duration - begin) / av.time_base
