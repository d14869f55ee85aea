"""Pictures that say who wrote them, so that only those of others are kept from being replaced."""

from __future__ import annotations

import zlib
from pathlib import Path

from stream.sinks.containers import MARK

_SEARCHED_BYTES = 512  # at the beginning and at the end of a picture


def is_own_picture(path: Path) -> bool:
    """Whether this program wrote the picture."""
    try:
        with path.open("rb") as file:
            head = file.read(_SEARCHED_BYTES)
            file.seek(-min(_SEARCHED_BYTES, path.stat().st_size), 2)
            return MARK.encode() in head + file.read()
    except OSError:
        return False


def marked(content: bytes) -> bytes:
    """A picture with a comment that says who wrote it."""
    mark = MARK.encode()
    if content.startswith(b"\xff\xd8"):  # JPEG: a comment behind the start of the image
        return content[:2] + b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark + content[2:]
    if content.startswith(b"\x89PNG"):  # a text chunk behind the header
        chunk = b"tEXtComment\0" + mark
        size, check = len(chunk) - 4, zlib.crc32(chunk)
        return (
            content[:33] + size.to_bytes(4, "big") + chunk + check.to_bytes(4, "big") + content[33:]
        )
    padded = mark + b"\0" * (len(mark) % 2)  # WebP: a chunk that nobody knows, at the end
    chunk = b"HHRS" + len(padded).to_bytes(4, "little") + padded
    size = len(content) - 8 + len(chunk)
    return content[:4] + size.to_bytes(4, "little") + content[8:] + chunk
