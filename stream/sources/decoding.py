"""Packets into frames, past damage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import av
from av import VideoFrame
from av.container import InputContainer
from av.video.stream import VideoStream

from stream.sources.base import SourceHealth

# A file cut off in the middle gives one or two unreadable packets at its end; a demuxer that is
# lost gives them for ever.
_UNREADABLE_IN_A_ROW = 64

# Demuxers that find "video" in any text or binary file.
_NOT_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf"})


class DecodedFrame(NamedTuple):
    """A frame as the decoder gives it.

    frame: the frame. arrived_ns: `time.monotonic_ns()` of the arrival of its packet.
    """

    frame: VideoFrame
    arrived_ns: int


def video_stream(container: InputContainer) -> VideoStream | None:
    """The stream to show: not a cover image, and not text that FFmpeg would paint on a terminal;
    None if there is none.
    """
    if container.format.name in _NOT_VIDEO:
        return None
    for stream in container.streams.video:
        if stream.codec_context is not None and not int(stream.disposition) & int(
            av.stream.Disposition.attached_pic
        ):
            return stream
    return None


def has_unknown_video(container: InputContainer) -> bool:
    """Whether there is video in it that this FFmpeg has no decoder for."""
    return any(stream.codec_context is None for stream in container.streams.video)


def decode(
    container: InputContainer, stream: VideoStream, health: SourceHealth, *, live: bool
) -> Iterator[DecodedFrame]:
    """Every frame of `stream` in display order.

    Packets that cannot be read or decoded are skipped and counted in `health`; at the end the
    decoder gives up the frames that it still holds (B-frames, frame threads). Errors of the
    transport (av.FFmpegError other than damaged data) are raised.

    live: frame threads would hold every frame back until the next ones arrive, so only slices are
    decoded in parallel.
    """
    stream.thread_type = "SLICE" if live else "AUTO"
    if live:
        stream.codec_context.flags |= av.codec.context.Flags.low_delay
    unreadable = 0
    while unreadable < _UNREADABLE_IN_A_ROW:
        try:
            asked_ns = time.monotonic_ns()
            for packet in container.demux(stream):
                arrived_ns = time.monotonic_ns()
                if live:
                    health.waited_ns += arrived_ns - asked_ns
                unreadable = 0
                if packet.is_corrupt:
                    health.corrupt_packets += 1
                try:
                    frames = packet.decode()
                except av.EOFError:
                    frames = []
                except (
                    av.InvalidDataError,
                    av.PatchWelcomeError,
                    av.ArgumentError,
                    av.UnknownError,
                ) as error:
                    health.corrupt_packets += 1
                    health.message = f"skipped a damaged packet: {error.strerror}"
                    frames = []
                for frame in frames:
                    if frame.is_corrupt:
                        health.damaged_frames += 1
                    yield DecodedFrame(frame, arrived_ns)
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
    yield from _rest(stream)


def _rest(stream: VideoStream) -> Iterator[DecodedFrame]:
    """What the decoder still holds, unless the demuxer has seen to that."""
    try:
        for frame in stream.codec_context.decode(None):
            yield DecodedFrame(frame, time.monotonic_ns())
    except av.FFmpegError:
        return
