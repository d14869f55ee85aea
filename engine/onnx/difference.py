"""What a network adds to the ONNX file of another one with the same parameters: a few pieces
between those of that file, so that both ship at the price of one.

The file of a difference is one line of JSON (all but `own` and `second`) and the bytes of `own`,
compressed by zlib. To read and to use it takes nothing but Python.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from basics.atomic import atomic_path
from configs import ModelError

_BLOCK = 64  # bytes; a piece of the first file is found from 127 bytes on, what is shorter is `own`


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How a second file is made of a first one.

    Attributes:
        recipe: What the second was made by, and of what; whoever uses the difference compares it.
        sha256: Of the second file.
        pieces: (offset, bytes) in the first file, in the second's order; without an offset the
            bytes are the next of `own`.
        own: What the second file alone has.
    """

    recipe: str
    sha256: str
    pieces: tuple[tuple[int | None, int], ...]
    own: bytes

    @classmethod
    def between(cls, first: bytes, second: bytes, recipe: str) -> Difference:
        """What is to be added to `first` to have `second`; see the attributes."""
        blocks: dict[bytes, int] = {}
        for offset in range(0, len(first) - _BLOCK + 1, _BLOCK):
            blocks.setdefault(first[offset : offset + _BLOCK], offset)
        pieces: list[tuple[int | None, int]] = []
        own = bytearray()
        here = since = 0  # `second` is described up to `since`
        while here < len(second):
            start = blocks.get(second[here : here + _BLOCK])
            if start is None:
                here += 1
                continue
            while here > since and start > 0 and second[here - 1] == first[start - 1]:
                here, start = here - 1, start - 1
            if here > since:
                pieces.append((None, here - since))
                own += second[since:here]
            length = _equal(memoryview(first)[start:], memoryview(second)[here:])
            pieces.append((start, length))
            here = since = here + length
        if since < len(second):
            pieces.append((None, len(second) - since))
            own += second[since:]
        return cls(
            recipe=recipe,
            sha256=hashlib.sha256(second).hexdigest(),
            pieces=tuple(pieces),
            own=bytes(own),
        )

    def apply(self, first: bytes) -> bytes:
        """The second file.

        Raises:
            ModelError: `first` is not the file that the difference was made from.
        """
        parts, used = [], 0
        for offset, length in self.pieces:
            if offset is None:
                parts.append(self.own[used : used + length])
                used += length
            else:
                parts.append(first[offset : offset + length])
        second = b"".join(parts)
        if hashlib.sha256(second).hexdigest() != self.sha256:
            raise ModelError(
                "a model that ships is not the one that the difference beside it was made from: "
                "install the package again"
            )
        return second

    def write(self, path: Path) -> None:
        """Writes the file, completely or not at all.

        Raises:
            OSError: It cannot be written.
        """
        about = {"recipe": self.recipe, "sha256": self.sha256, "pieces": self.pieces}
        content = json.dumps(about, separators=(",", ":")).encode() + b"\n" + self.own
        with atomic_path(path) as temporary:
            temporary.write_bytes(zlib.compress(content, 9))

    @classmethod
    def read(cls, path: Path) -> Difference:
        """The difference in a file.

        Raises:
            ModelError: It cannot be read, or is damaged.
        """
        try:
            about, _, own = zlib.decompress(path.read_bytes()).partition(b"\n")
            return cls(own=own, **json.loads(about))
        except OSError as error:
            raise ModelError(f"cannot read {str(path)!r}: {error.strerror}") from error
        except (zlib.error, ValueError, TypeError) as error:
            raise ModelError(f"{str(path)!r} is damaged: install the package again") from error


def _equal(one: memoryview, other: memoryview) -> int:
    """How many bytes both begin with."""
    shorter = min(len(one), len(other))
    step = next(step for step in (1 << each for each in count()) if step > shorter) >> 1
    found = 0
    while step:
        if found + step <= shorter and (one[found : found + step] == other[found : found + step]):
            found += step
        else:
            step >>= 1
    return found
