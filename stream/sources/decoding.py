"""Packets into frames, past damage."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import av
from av import VideoFrame
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from configs import SourceError
from stream.sources.base import SourceHealth
from stream.sources.decoders import DecoderChoice, decoder_of
from stream.sources.gstreamer import GStreamerDecoder, GStreamerRefusal
from stream.sources.packet_times import PacketTimes

logger = logging.getLogger(__name__)

_SOFTWARE = DecoderChoice()

# A file cut off in the middle gives one or two unreadable packets at its end; a demuxer that is
# lost gives them for ever.
_UNREADABLE_IN_A_ROW = 64

# A packet that is there already is read in microseconds; at most so many of them are.
_AT_ONCE_NS = 5_000_000
_MOST_AHEAD = 512

# Formats whose packets only say when they are decoded.
_NO_PRESENTATION_TIMES = frozenset({"avi"})

# Networks see 256 to 640 lines; this many are worth showing.
_ENOUGH_LINES = 1080

# Demuxers that find "video" in any text or binary file.
_NOT_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf"})


class DecodedFrame(NamedTuple):
    """A frame as the decoder gives it.

    Attributes:
        frame: The frame.
        arrived_ns: `time.monotonic_ns()` of the arrival of its packet.
        pts: When it is shown, in units of its stream's time base; None where that is not known.
    """

    frame: VideoFrame
    arrived_ns: int
    pts: int | None


def video_stream(container: InputContainer) -> VideoStream | None:
    """The stream to show: not a cover image, and not text that FFmpeg would paint on a terminal;
    None if there is none.

    Of the variants of an HLS stream it is the largest that is worth its decoding, and the others
    are not downloaded.
    """
    if container.format.name in _NOT_VIDEO:
        return None
    cover = int(av.stream.Disposition.attached_pic)
    found = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not int(stream.disposition) & cover
    ]
    if container.format.name != "hls" or len(found) < 2:
        return found[0] if found else None
    chosen = _best_variant(found)
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = av.stream.Discard.all
    return chosen


def _best_variant(streams: list[VideoStream]) -> VideoStream:
    """The largest up to `_ENOUGH_LINES`, or the smallest of those that are all larger."""
    by_size = sorted(streams, key=lambda stream: stream.codec_context.width)
    enough = [stream for stream in by_size if stream.codec_context.height <= _ENOUGH_LINES]
    return enough[-1] if enough else by_size[0]


def has_unknown_video(container: InputContainer) -> bool:
    """Whether there is video in it that this FFmpeg has no decoder for."""
    return any(stream.codec_context is None for stream in container.streams.video)


def stamped_by_order(container: InputContainer) -> bool:
    """Whether its packets only say when they are decoded, so that the times of frames are told by
    all packets before them.
    """
    return container.format.name in _NO_PRESENTATION_TIMES


def read_ahead(container: InputContainer, stream: VideoStream) -> deque[Packet[Any]]:
    """The packets that came while a live container was being opened, and the first one that had to
    be waited for.
    """
    packets: deque[Packet[Any]] = deque()
    try:
        asked_ns = time.monotonic_ns()
        for packet in container.demux(stream):
            packets.append(packet)
            now_ns = time.monotonic_ns()
            if now_ns - asked_ns > _AT_ONCE_NS or len(packets) == _MOST_AHEAD:
                break
            asked_ns = now_ns
    except (av.FFmpegError, IndexError):
        pass  # whoever reads on meets it again
    return packets


def decode(
    container: InputContainer,
    stream: VideoStream,
    health: SourceHealth,
    times: PacketTimes,
    choice: DecoderChoice = _SOFTWARE,
    *,
    live: bool,
    ahead: deque[Packet[Any]] | None = None,
) -> Generator[DecodedFrame, None, None]:
    """Every frame of `stream` in display order.

    Packets that cannot be read or decoded are skipped and counted in `health`; at the end the
    decoder gives up the frames that it still holds (B-frames, frame threads). Errors of the
    transport (av.FFmpegError other than damaged data) are raised.

    Args:
        container: Open, and read by nobody else.
        stream: Its video.
        health: Where damage is counted.
        times: Puts the time stamps of the container right.
        choice: What decodes.
        live: Whether frames are wanted as soon as possible. Frame threads would hold every one back
            until the next ones arrive, so only slices are decoded in parallel.
        ahead: Packets of `stream` that were read before, and come first.

    Raises:
        SourceError: What was asked for by name cannot decode it.
    """
    stream.thread_type = "SLICE" if live else "AUTO"
    if live:
        stream.codec_context.flags |= av.codec.context.Flags.low_delay
    by_order = stamped_by_order(container)
    decoder = _Decoder(stream, health, choice, by_order=by_order, live=live)
    try:
        read = deque() if ahead is None else ahead
        yield from _decode(container, stream, health, times, decoder, read, live=live)
    finally:
        decoder.close()


def _decode(
    container: InputContainer,
    stream: VideoStream,
    health: SourceHealth,
    times: PacketTimes,
    decoder: _Decoder,
    ahead: deque[Packet[Any]],
    *,
    live: bool,
) -> Iterator[DecodedFrame]:
    streams = [stream, *(container.streams.audio if times.may_jump else ())]
    unreadable = 0
    while unreadable < _UNREADABLE_IN_A_ROW:
        try:
            asked_ns = time.monotonic_ns()
            for packet in _packets(container, streams, ahead):
                arrived_ns = time.monotonic_ns()
                if live:
                    health.waited_ns += arrived_ns - asked_ns
                unreadable = 0
                times.correct(packet)
                if packet.stream is stream:
                    yield from decoder.decode(packet, arrived_ns)
                asked_ns = time.monotonic_ns()
            break
        except av.EOFError:
            break
        except av.InvalidDataError as error:
            unreadable += 1
            health.corrupt_packets += 1
            health.message = f"skipped an unreadable packet: {error.strerror}"
        except IndexError:
            # PyAV knows the streams that were there at the beginning; damage, or a broadcast, may
            # add one.
            unreadable += 1
            health.message = "skipped a packet of a stream that began in mid-file"
    yield from decoder.rest()


def _packets(
    container: InputContainer, streams: list[Any], ahead: deque[Packet[Any]]
) -> Iterator[Packet[Any]]:
    while ahead:
        yield ahead.popleft()
    yield from container.demux(streams)


class _Decoder:
    """Packets of one stream into frames.

    by_order: the stamps of packets are those of decoding, and none say when a frame is shown. But
    they are the same times in another order, and frames come out in the order shown.
    """

    def __init__(
        self,
        stream: VideoStream,
        health: SourceHealth,
        choice: DecoderChoice,
        *,
        by_order: bool,
        live: bool,
    ) -> None:
        self._stream = stream
        self._health = health
        self._choice = choice
        self._live = live
        self._gstreamer: GStreamerDecoder | None = None
        self._decided = choice.name == "software"  # whether the first frame, or packet, was seen
        if self._decided:
            health.decoder = choice.name
        self._by_order = by_order
        self._stamps: deque[int] = deque()

    def decode(self, packet: Packet[Any], arrived_ns: int) -> Iterator[DecodedFrame]:
        """The frames that come out when `packet` goes in; none for a damaged one, counted."""
        if packet.is_corrupt:
            self._health.corrupt_packets += 1
        if packet.is_discard:
            self._health.hidden_frames += 1
        if self._by_order and packet.size and packet.dts is not None:
            self._stamps.append(packet.dts)
        try:
            frames = self._frames(packet)
        except av.EOFError:
            return
        except (
            av.InvalidDataError,
            av.PatchWelcomeError,
            av.ArgumentError,
            av.UnknownError,
        ) as error:
            self._health.corrupt_packets += 1
            self._health.message = f"skipped a damaged packet: {error.strerror}"
            if self._stamps:
                self._stamps.pop()
            return
        for frame in frames:
            if frame.is_corrupt:
                self._health.damaged_frames += 1
            yield DecodedFrame(frame, arrived_ns, self._pts(frame))

    def close(self) -> None:
        """Ends what runs beside it."""
        if self._gstreamer is not None:
            self._gstreamer.close()

    def rest(self) -> Iterator[DecodedFrame]:
        """What the decoder still holds, unless the demuxer has seen to that."""
        try:
            for frame in self._last_frames():
                yield DecodedFrame(frame, time.monotonic_ns(), self._pts(frame))
        except av.FFmpegError:
            return

    def _frames(self, packet: Packet[Any]) -> list[VideoFrame]:
        """The frames of `packet` from whatever decodes."""
        if self._choice.name != "gstreamer":
            frames = packet.decode()
            if frames and not self._decided:
                self._decide(frames[0])
            return frames
        if self._gstreamer is None and not self._decided and packet.size:
            self._start_gstreamer(packet)
        if self._gstreamer is None:
            return packet.decode()
        try:
            frames = self._gstreamer.decode(packet)
        except GStreamerRefusal as error:
            return self._do_without(error)
        self._health.decoder_restarts = self._gstreamer.restarts
        return frames

    def _last_frames(self) -> list[VideoFrame]:
        frames: list[VideoFrame] = []
        if self._gstreamer is not None:
            try:
                return self._gstreamer.rest()
            except GStreamerRefusal as error:
                frames = self._do_without(error)
        return frames + self._stream.codec_context.decode(None)

    def _decide(self, frame: VideoFrame) -> None:
        """Says which decoder the first frame is from."""
        self._decided = True
        self._health.decoder = decoder_of(frame, self._choice)
        if self._health.decoder != self._choice.name:
            if self._choice.strict:
                raise SourceError(
                    f"decoder {self._choice.name} cannot decode this {self._codec} "
                    f"({frame.format.name}); take --decoder auto"
                )
            logger.warning("%s is decoded in software: not by %s", self._codec, self._choice.name)

    def _start_gstreamer(self, packet: Packet[Any]) -> None:
        self._decided = True
        try:
            self._gstreamer = GStreamerDecoder(self._stream, packet, live=self._live)
        except GStreamerRefusal as error:
            self._do_without(error)
            return
        self._health.decoder = f"gstreamer {self._gstreamer.element}"
        logger.info("%s is decoded by %s", self._codec, self._health.decoder)

    def _do_without(self, reason: GStreamerRefusal) -> list[VideoFrame]:
        """Software takes its place, unless GStreamer was asked for by name; gives its frames of
        what GStreamer had and did not decode.
        """
        self.close()
        gstreamer, self._gstreamer = self._gstreamer, None
        if self._choice.strict:
            raise SourceError(
                f"decoder gstreamer cannot decode this {self._codec}: {reason}; take --decoder auto"
            ) from reason
        self._health.decoder = "software"
        logger.warning("%s is decoded in software: %s", self._codec, reason)
        return [] if gstreamer is None else gstreamer.undelivered()

    @property
    def _codec(self) -> str:
        return self._stream.codec_context.codec.canonical_name

    def _pts(self, frame: VideoFrame) -> int | None:
        if not self._by_order:
            return frame.pts
        return self._stamps.popleft() if self._stamps else None
