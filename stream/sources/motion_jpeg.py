"""MJPEG over HTTP, in whatever text a camera puts around its pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator

import av
from av.container import InputContainer

# What ends the coded part of a scan: any marker but a stuffed 0, a restart or a fill byte.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START = b"\xff\xd8\xff"
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_LONGEST_PICTURE_BYTES = 1 << 26
_PACKET_BYTES = 1 << 16  # FFmpeg hands over what has come, up to this
_PART = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


class JpegSplitter:
    """JPEG pictures out of a stream of bytes, by their own structure.

    Boundaries, lengths and types that stand between them are not looked at, for cameras omit them,
    misspell them and count them wrong. A thumbnail inside a picture is part of it.
    """

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._buffer = bytearray()
        self._begun = False  # the buffer begins with a picture
        self._in_scan = False
        self._at = 0  # what lies before was looked at

    def feed(self, content: bytes) -> Iterator[bytes]:
        """Takes the next bytes of the stream.

        Args:
            content: As many as have come.

        Yields:
            The pictures that are complete now. One that is cut off is given as far as it came.
        """
        self._buffer += content
        while self._begin() and self._ended():
            picture = bytes(self._buffer[: self._at])
            del self._buffer[: self._at]
            self._begun = False
            if len(picture) > len(_START):  # else nothing of one but its first marker has come
                yield picture

    def _begin(self) -> bool:
        """Whether a picture begins the buffer; drops what stands before it."""
        if not self._begun:
            start = self._buffer.find(_START)
            self._begun = start >= 0
            del self._buffer[: start if self._begun else max(0, len(self._buffer) - 2)]
            self._in_scan, self._at = False, 2
        return self._begun

    def _ended(self) -> bool:
        """Whether the picture that begins the buffer has come to its end, which is then `_at`."""
        buffer = self._buffer
        while self._at + 2 <= len(buffer):
            if self._in_scan:
                found = _END_OF_SCAN.search(buffer, self._at)
                self._at = len(buffer) - 1 if found is None else found.start()
                self._in_scan = found is None
                if found is None:
                    break
            marker = buffer[self._at + 1]
            if buffer[self._at] != 0xFF or marker == _START_OF_IMAGE:
                return True  # broken here, or another one begins
            if marker == _END_OF_IMAGE:
                self._at += 2
                return True
            if marker == 0xFF or marker in _WITHOUT_LENGTH:
                self._at += 1 if marker == 0xFF else 2
                continue
            if self._at + 4 > len(buffer):
                break
            self._at += 2 + int.from_bytes(buffer[self._at + 2 : self._at + 4], "big")
            self._in_scan = marker == _START_OF_SCAN
        if len(buffer) <= _LONGEST_PICTURE_BYTES:
            return False
        self._at = len(buffer)
        return True


class _Parts:
    """Pictures out of `carrier` for FFmpeg's demuxer, each with the head that it understands.

    The length in it lets a picture through when its last byte has come, instead of with the
    beginning of the next one.
    """

    def __init__(self, carrier: InputContainer) -> None:
        self._packets = carrier.demux()
        self._splitter = JpegSplitter()
        self._pending = bytearray()

    def read(self, size: int) -> bytes:
        while not self._pending:
            packet = next(self._packets, None)
            if packet is None:
                return b""
            for picture in self._splitter.feed(bytes(packet)):
                self._pending += _PART % len(picture) + picture + b"\r\n"
        part = bytes(self._pending[:size])
        del self._pending[:size]
        return part


def open_bytes(url: str, options: dict[str, str], timeout: tuple[float, float]) -> InputContainer:
    """What is at an address, as it comes: FFmpeg's protocols without its formats.

    Args:
        url: The address.
        options: Options of FFmpeg's protocol.
        timeout: Seconds to wait when it is opened and at each read.

    Returns:
        A container whose packets are pieces of it.

    Raises:
        av.FFmpegError: It cannot be reached.
    """
    options = {**options, "raw_packet_size": str(_PACKET_BYTES)}
    return av.open(url, format="data", options=options, timeout=timeout, metadata_errors="replace")


def open_pictures(carrier: InputContainer, timeout: tuple[float, float]) -> InputContainer:
    """MJPEG out of the bytes of `carrier`.

    Args:
        carrier: As `open_bytes` gives it; closed by the caller, later.
        timeout: Seconds to wait when it is opened and at each read.

    Returns:
        A container with one video stream.

    Raises:
        av.FFmpegError: No picture comes.
    """
    return av.open(
        _Parts(carrier), "r", format="mpjpeg", timeout=timeout, metadata_errors="replace"
    )
