"""Pictures whose odd and even lines were taken at different moments, made into pictures of one
moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

import av
from av import VideoFrame

Deinterlace = Literal["auto", "on", "off"]
"""Which pictures to deinterlace: those that the stream calls interlaced, all, none."""


def is_wanted(picture: VideoFrame, deinterlace: Deinterlace) -> bool:
    """Whether `picture` is to be deinterlaced."""
    return deinterlace == "on" or (deinterlace == "auto" and picture.interlaced_frame)


def deinterlaced(
    pictures: Iterator[tuple[VideoFrame, int]], deinterlace: Deinterlace
) -> Iterator[tuple[VideoFrame, int]]:
    """The same pictures, at the same times, with those that are interlaced interpolated by FFmpeg's
    bwdif.

    For files: bwdif looks at the picture before and the one behind, so each comes when the next one
    is there. 1.8 ms a picture of 1080i; nothing before the first interlaced one.
    """
    if deinterlace == "off":
        yield from pictures
        return
    weaver: _Weaver | None = None
    try:
        for picture, arrived_ns in pictures:
            if weaver is not None and not weaver.fits(picture):
                yield from weaver.rest()
                weaver = None
            if weaver is None and is_wanted(picture, deinterlace):
                weaver = _Weaver(picture, every=deinterlace == "on")
            if weaver is None:
                yield picture, arrived_ns
            else:
                yield from weaver.weave(picture, arrived_ns)
    except av.FFmpegError:
        if weaver is not None:
            yield from weaver.rest()
        raise
    if weaver is not None:
        yield from weaver.rest()


class _Weaver:
    """A filter graph for pictures of one size and pixel format; what comes out is what went in, one
    picture later.
    """

    def __init__(self, picture: VideoFrame, *, every: bool) -> None:
        self._kind = _kind(picture)
        self._waiting: deque[tuple[VideoFrame, int]] = deque()
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=picture.format,
            time_base=picture.time_base,
        )
        bwdif = self._graph.add(
            "bwdif", f"mode=send_frame:deint={'all' if every else 'interlaced'}"
        )
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def fits(self, picture: VideoFrame) -> bool:
        return _kind(picture) == self._kind

    def weave(self, picture: VideoFrame, arrived_ns: int) -> Iterator[tuple[VideoFrame, int]]:
        self._waiting.append((picture, arrived_ns))
        self._graph.push(picture)
        yield from self._ready()

    def rest(self) -> Iterator[tuple[VideoFrame, int]]:
        self._graph.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[tuple[VideoFrame, int]]:
        while True:
            try:
                woven = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(woven, VideoFrame)
            original, arrived_ns = self._waiting.popleft()
            woven.pts, woven.time_base = original.pts, original.time_base
            yield woven, arrived_ns


def _kind(picture: VideoFrame) -> tuple[int, int, str]:
    return picture.width, picture.height, picture.format.name
