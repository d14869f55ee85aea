"""GStreamer Data Protocol 1.0: buffers with their time stamps through a pipe.

What `gdppay` writes and `gdpdepay` reads (gst-plugins-bad, gst/gdp/dataprotocol.c): a header of 62
bytes, big-endian, then what it announces.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO, NamedTuple

BUFFER, CAPS = 1, 2
_STREAM_START, _SEGMENT = 64 + 10254, 64 + 17934  # 64 and GstEventType
# Version 1.0, flags (none: no checksums), padding, kind, length, time stamp, duration, offset,
# offset of the end, flags of the buffer; 14 bytes for later versions and two checksums.
_HEADER = struct.Struct(">BBBBHIQQQQH18x")
_NONE = (1 << 64) - 1
_START = b"GstEventStreamStart, stream-id=(string)video, group-id=(uint)1;\0"
_FROM_ZERO = (
    b'GstEventSegment, segment=(GstSegment)"segment, flags=(GstSegmentFlags)GST_SEGMENT_FLAG_NONE, '
    b"rate=(double)1, applied-rate=(double)1, format=(GstFormat)time, base=(guint64)0, "
    b"offset=(guint64)0, start=(guint64)0, stop=(guint64)%d, time=(guint64)0, "
    b'position=(guint64)0, duration=(guint64)%d";\0' % (_NONE, _NONE)
)
_SIZE = re.compile(rb"\b(width|height)=\(int\)(\d+)")


class Message(NamedTuple):
    """Something that came through a pipe.

    Attributes:
        kind: `BUFFER`, `CAPS`, or an event, which nobody needs.
        time_ns: Time stamp of a buffer.
        payload: Its bytes; of caps their text.
    """

    kind: int
    time_ns: int
    payload: bytes


def stream_head(caps: str) -> bytes:
    """What comes before the first buffer of a stream of that kind."""
    return b"".join(
        _message(kind, payload)
        for kind, payload in (
            (_STREAM_START, _START),
            (CAPS, caps.encode() + b"\0"),
            (_SEGMENT, _FROM_ZERO),
        )
    )


def buffer(payload: bytes, time_ns: int) -> bytes:
    """A buffer, stamped."""
    return _message(BUFFER, payload, time_ns)


def read_message(pipe: BinaryIO) -> Message | None:
    """The next message; None at the end of the pipe, in the middle of one as well."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    _, _, _, _, kind, length, time_ns, *_ = _HEADER.unpack(header)
    payload = pipe.read(length)
    return None if len(payload) < length else Message(kind, time_ns, payload)


def frame_size(caps: bytes) -> tuple[int, int]:
    """Width and height in pixels that caps of raw video say."""
    sides = {name: int(value) for name, value in _SIZE.findall(caps)}
    return sides[b"width"], sides[b"height"]


def _message(kind: int, payload: bytes, time_ns: int = 0) -> bytes:
    header = _HEADER.pack(1, 0, 0, 0, kind, len(payload), time_ns, _NONE, _NONE, _NONE, 0)
    return header + payload
