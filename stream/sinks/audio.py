"""The audio of the source, copied into a video output packet for packet, without decoding.

Sound never stops frames: whatever its packets do costs sound, is said aloud, and nothing else.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from basics.paths import ffmpeg_path
from stream.sinks.containers import OUTPUT_ERRORS
from stream.sources.clock import StreamClock, credible_fps
from stream.sources.packet_times import PacketTimes

logger = logging.getLogger(__name__)

_UNREADABLE_IN_A_ROW = 64
# Transport streams repeat the configuration of AAC in every packet (ADTS); these want it once.
# FFmpeg would convert it by itself, but not while it writes an MP4 in fragments.
_RAW_AAC = frozenset({"mp4", "mov", "matroska"})
_NO_FRAMED_AAC = frozenset({"rtsp"})  # the description of the stream needs it beforehand
# FFmpeg before 6.1, and players with it, take all PCM in an MP4 for this: other kinds are noise.
_PCM_OF_MP4 = "pcm_s16le"


class AudioReader:
    """The packets of the first audio stream of a file, in stream time.

    A file that cannot be read has none, said aloud.

    Args:
        path: The file; None for no sound at all.
        origin_s: What is taken off its time stamps.

    Attributes:
        stream: Its audio stream; None where there is none.
        next: The packet whose turn it is; None at the end.
        begin_s: When that begins, in stream time.
    """

    def __init__(self, path: str | None, *, origin_s: Fraction = Fraction(0)) -> None:
        self.stream: Any = None
        self.next: Any = None
        self.begin_s = Fraction(0)
        self._path = path
        self._origin_s = origin_s
        self._input: Any = None
        self._packets: Iterator[Any] = iter(())
        self._ahead: deque[Any] = deque()  # read already
        self._clock: StreamClock | None = None
        if path is None:
            return
        try:
            self._input = av.open(ffmpeg_path(path), metadata_errors="replace")
            self.stream = self._input.streams.audio[0]
            self._packets = self._read(self._input)
            self.advance()
        except (*OUTPUT_ERRORS, IndexError) as error:
            self.give_up(str(error))

    def advance(self) -> None:
        """Goes on to the next packet."""
        self.next = self._ahead.popleft() if self._ahead else next(self._packets, None)
        if self.next is None:
            return
        dts: int | None = self.next.dts
        if self._clock is None:
            length_s = (self.next.duration or 0) * self.next.time_base
            start_s = dts * self.next.time_base - self._origin_s
            fps = float(1 / length_s) if length_s else None
            self._clock = StreamClock(self.next.time_base, credible_fps(fps), start_s=start_s)
        elif not self._clock.fits(dts):
            after = next(self._packets, None)
            if after is not None:
                self._ahead.append(after)
                dts = None if self._clock.stands_alone(dts, after.dts) else dts
        self.begin_s, _ = self._clock.stamp(dts)

    def give_up(self, reason: str) -> None:
        """There is no more sound, for a reason that is said."""
        logger.warning("the audio of %r is left out: %s", self._path, reason)
        self.close()

    def close(self) -> None:
        """Gives the file back; a second call does nothing."""
        self.next = self.stream = None
        self._packets = iter(())
        self._ahead.clear()
        if self._input is not None:
            self._input.close()
            self._input = None

    def _read(self, container: Any) -> Iterator[Any]:
        """Packets with time stamps, past damage."""
        times = PacketTimes(container)
        video = container.streams.video if times.may_jump else ()
        unreadable = 0
        while unreadable < _UNREADABLE_IN_A_ROW:
            try:
                for packet in container.demux([self.stream, *video]):
                    unreadable = 0
                    times.correct(packet)
                    if packet.stream is not self.stream or not packet.size:
                        continue
                    if packet.dts is None:
                        packet.dts = packet.pts
                    if packet.dts is not None:
                        yield packet
                return
            except av.EOFError:
                return
            except (*OUTPUT_ERRORS, IndexError) as error:
                unreadable += 1
                if unreadable == _UNREADABLE_IN_A_ROW:
                    logger.warning("the audio of %r ends early: %s", self._path, error)


class AudioCopy:
    """Copies what a reader has into one container, in step with the video.

    Args:
        reader: Where the packets come from; goes on from where the last container ended.
        begin_s: Stream time at which the container's own time begins.
        container_format: FFmpeg's name of the container.
    """

    def __init__(self, reader: AudioReader, *, begin_s: Fraction, container_format: str) -> None:
        self._reader = reader
        self._begin_s = begin_s
        self._format = container_format
        self._stream: Any = None
        self._filter: Any = None
        self._last: int | None = None

    @property
    def found(self) -> bool:
        """Whether there is audio to copy."""
        return self._reader.stream is not None

    def add_to(self, container: Any) -> None:
        """Adds the stream to `container`, before anything is written."""
        source = self._reader.stream
        if source is None:
            return
        try:
            if _is_framed(source) and self._format in _NO_FRAMED_AAC:
                raise ValueError(f"{self._format} cannot carry AAC of a transport stream")
            name = source.codec_context.name
            if self._format == "mp4" and name.startswith("pcm_") and name != _PCM_OF_MP4:
                raise ValueError(f"{name} is noise to many players of MP4; write a .mov or a .mkv")
            self._stream = container.add_stream_from_template(source, opaque=True)
            if _is_framed(source) and self._format in _RAW_AAC:
                self._filter = BitStreamFilterContext("aac_adtstoasc", source)
        except (*OUTPUT_ERRORS, ValueError) as error:
            self._reader.give_up(str(error))

    def copy_until(self, container: Any, time_s: Fraction | None) -> None:
        """Muxes the packets that begin before `time_s`, in the container's time; all that are left
        where it is None.
        """
        reader = self._reader
        while reader.next is not None and (
            time_s is None or reader.begin_s - self._begin_s < time_s
        ):
            packet, begin_s = reader.next, reader.begin_s
            reader.advance()
            try:
                self._write(container, packet, begin_s)
            except (*OUTPUT_ERRORS, ValueError) as error:
                reader.give_up(f"it ends at {float(begin_s):.1f} s, {error}")
                return

    def _write(self, container: Any, packet: Any, begin_s: Fraction) -> None:
        stamp = round((begin_s - self._begin_s) / packet.time_base)
        late = 0 if packet.pts is None else packet.pts - packet.dts
        if self._last is not None and stamp <= self._last:
            stamp = self._last + 1
        self._last = stamp
        packet.dts, packet.pts = stamp, stamp + max(0, late)
        for ready in [packet] if self._filter is None else self._filter.filter(packet):
            ready.stream = self._stream
            container.mux(ready)


def _is_framed(stream: Any) -> bool:
    """Whether every packet carries the AAC configuration (ADTS), and the header none."""
    context = stream.codec_context
    return context.name.startswith("aac") and not context.extradata
