"""Images by name, out of folders and zip archives."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import DataError


class ImageStore:
    """The images of several folders and zip archives, found by file name, in the order of the
    sources.

    Archives are opened when first read from, once in every process, so a store can be handed to
    worker processes. A context manager: leaving it closes the archives of this process.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        """Raises DataError for a source that is neither a folder nor a zip archive."""
        self.sources = tuple(sources)
        self._archives: dict[tuple[int, int], zipfile.ZipFile] = {}
        self._members: dict[str, tuple[int, str]] = {}
        for number, source in reversed(list(enumerate(self.sources))):
            for member in self._list(source):
                self._members[Path(member).name] = (number, member)
                self._members[member] = (number, member)

    def __enter__(self) -> ImageStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for archive in self._archives.values():
            archive.close()
        self._archives.clear()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_archives": {}}

    def require(self, names: Iterable[str]) -> None:
        """Raises DataError, with one example and their number, if any image is in none of the
        sources.
        """
        missing = [name for name in names if name not in self._members]
        if missing:
            looked_in = ", ".join(str(source) for source in self.sources)
            raise DataError(
                f"{len(missing)} images are missing, the first is {missing[0]!r}; looked in "
                f"{looked_in}"
            )

    def read(self, name: str) -> NDArray[np.uint8]:
        """The image, (H, W, 3) uint8 BGR; orientation tags are ignored, because labels are made on
        the stored pixels.

        Raises DataError if it is missing or cannot be decoded.
        """
        return decode_image(self.read_bytes(name), name)

    def read_bytes(self, name: str) -> bytes:
        """The encoded file. Raises DataError if it is missing or cannot be read."""
        if name not in self._members:
            self.require([name])
        number, member = self._members[name]
        source = self.sources[number]
        try:
            if source.is_dir():
                return (source / member).read_bytes()
            key = (
                os.getpid(),
                number,
            )  # a forked process must not share its parent's file position
            if key not in self._archives:
                self._archives[key] = zipfile.ZipFile(source)
            return self._archives[key].read(member)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read image {name!r} of {str(source)!r}: {error}") from error

    def _list(self, source: Path) -> list[str]:
        if source.is_dir():
            return [
                path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()
            ]
        try:
            with zipfile.ZipFile(source) as archive:
                return [name for name in archive.namelist() if not name.endswith("/")]
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"images {str(source)!r} must be a folder or a zip archive: {error}"
            ) from error


def decode_image(content: bytes, name: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR of an encoded image; raises DataError if it cannot be decoded."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if image is None:
        raise DataError(f"image {name!r} cannot be decoded; is it damaged?")
    return np.asarray(image, np.uint8)
