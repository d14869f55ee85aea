"""Images of a dataset by file name, from folders and zip archives alike."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import DataError


class ImageStore:
    """Reads images out of folders and zip archives; a context manager, safe to use from several
    threads.

    An image is found by its path as the annotations give it, or by its bare name wherever it lies
    in an archive. Raises DataError for a place that does not exist or is no archive.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self._folders: list[Path] = []
        self._archives: list[tuple[Path, zipfile.ZipFile]] = []
        self._members: dict[str, tuple[zipfile.ZipFile, str]] = {}
        # One file position an archive: only reading the compressed bytes is serialised, decoding is
        # not.
        self._lock = threading.Lock()
        try:
            for place in places:
                self._add(Path(place))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ImageStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the archives; may be called twice."""
        while self._archives:
            self._archives.pop()[1].close()

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are in none of the places."""
        return [name for name in names if self._member(name) is None and self._file(name) is None]

    def read(self, name: str) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR. Raises DataError if the image is missing, unreadable or damaged.

        An orientation tag is ignored: COCO's labels refer to the stored pixels (reference 2.1).
        """
        encoded = np.frombuffer(self._bytes(name), dtype=np.uint8)
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            image = cv2.imdecode(encoded, flags) if encoded.size else None
        except cv2.error:
            image = None
        if image is None:
            raise DataError(
                f"cannot decode image {name!r}: the file is damaged or no image; replace it"
            )
        return image.astype(np.uint8, copy=False)

    def _add(self, place: Path) -> None:
        if place.is_dir():
            self._folders.append(place)
            return
        try:
            archive = zipfile.ZipFile(place)
        except FileNotFoundError as error:
            raise DataError(
                f"no images at {str(place)!r}: give a folder or a zip archive"
            ) from error
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(
                f"{str(place)!r} is neither a folder nor a readable zip archive"
            ) from error
        self._archives.append((place, archive))
        for member in archive.namelist():
            self._members.setdefault(member, (archive, member))
            self._members.setdefault(PurePosixPath(member).name, (archive, member))

    def _member(self, name: str) -> tuple[zipfile.ZipFile, str] | None:
        return self._members.get(name) or self._members.get(PurePosixPath(name).name)

    def _file(self, name: str) -> Path | None:
        for folder in self._folders:
            for candidate in (folder / name, folder / PurePosixPath(name).name):
                if candidate.is_file():
                    return candidate
        return None

    def _bytes(self, name: str) -> bytes:
        try:
            member = self._member(name)
            if member is not None:
                with self._lock:
                    return member[0].read(member[1])
            path = self._file(name)
            if path is not None:
                return path.read_bytes()
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise DataError(f"cannot read image {name!r}: {error}") from error
        raise DataError(f"image {name!r} is in none of the given folders and archives")
