"""Frames whose odd and even lines were taken at different moments, made into frames of one
moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from typing import Literal, cast

import av
from av import VideoFrame

from stream.sources.decoding import DecodedFrame

Deinterlace = Literal["auto", "on", "off"]
"""Which frames to deinterlace: those that the stream calls interlaced, all, none."""


def is_wanted(frame: VideoFrame, deinterlace: Deinterlace) -> bool:
    """Whether `frame` is to be deinterlaced."""
    return deinterlace == "on" or (deinterlace == "auto" and frame.interlaced_frame)


def deinterlaced(
    frames: Iterator[DecodedFrame], deinterlace: Deinterlace
) -> Generator[DecodedFrame, None, None]:
    """The same frames, at the same times, with those that are interlaced interpolated by FFmpeg's
    bwdif.

    For files: bwdif looks at the frame before and the one behind, so each comes when the next one
    is there. 1.8 ms per frame of 1080i; nothing before the first interlaced one.
    """
    if deinterlace == "off":
        yield from frames
        return
    weaver: _Weaver | None = None
    try:
        for decoded in frames:
            if weaver is not None and not weaver.fits(decoded.frame):
                yield from weaver.rest()
                weaver = None
            if weaver is None and is_wanted(decoded.frame, deinterlace):
                weaver = _Weaver(decoded.frame, every=deinterlace == "on")
            if weaver is None:
                yield decoded
            else:
                yield from weaver.weave(decoded)
    except av.FFmpegError:
        if weaver is not None:
            yield from weaver.rest()
        raise
    if weaver is not None:
        yield from weaver.rest()


class _Weaver:
    """A filter graph for frames of one size and pixel format; what comes out is what went in, one
    frame later.
    """

    def __init__(self, frame: VideoFrame, *, every: bool) -> None:
        self._kind = _kind(frame)
        self._waiting: deque[DecodedFrame] = deque()
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base,
        )
        bwdif = self._graph.add(
            "bwdif", f"mode=send_frame:deint={'all' if every else 'interlaced'}"
        )
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def fits(self, frame: VideoFrame) -> bool:
        return _kind(frame) == self._kind

    def weave(self, decoded: DecodedFrame) -> Iterator[DecodedFrame]:
        self._waiting.append(decoded)
        self._graph.push(decoded.frame)
        yield from self._ready()

    def rest(self) -> Iterator[DecodedFrame]:
        self._graph.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[DecodedFrame]:
        while True:
            try:
                woven = cast(VideoFrame, self._graph.pull())  # nothing else went in
            except (av.BlockingIOError, av.EOFError):
                return
            original = self._waiting.popleft()
            yield original._replace(frame=woven)


def _kind(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
