"""Images to measure and to calibrate on: files, folders, zip archives, and some frames of clips."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import DataError

DEMO_CLIP = Path(__file__).parents[1] / "stream" / "data" / "plaza.mp4"
_FRAMES_PER_CLIP = 4
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class Entry:
    """A file, or a member of a zip archive."""

    path: Path
    member: str = ""

    def read(self) -> list[NDArray[np.uint8]]:
        """The image (H, W, 3) uint8 BGR, or a clip's first frames. Raises DataError if it is
        neither.
        """
        if self.member:
            with zipfile.ZipFile(self.path) as archive:
                image = cv2.imdecode(
                    np.frombuffer(archive.read(self.member), np.uint8), cv2.IMREAD_COLOR
                )
        else:
            image = cv2.imread(str(self.path))
        frames = _frames(self.path) if image is None and not self.member else [image]
        if not frames or frames[0] is None:
            name = f"{self.path}/{self.member}" if self.member else str(self.path)
            raise DataError(f"{name!r} is neither an image nor a clip that can be read")
        return [np.asarray(frame, np.uint8) for frame in frames]


def load_images(
    paths: Sequence[Path] | None = None, limit: int | None = None
) -> list[NDArray[np.uint8]]:
    """All images at once; by default of the demo clip. Raises what `find_pictures` and `Entry.read`
    raise.
    """
    return list(read_pictures(find_pictures(paths or [DEMO_CLIP], limit)))


def read_pictures(entries: Sequence[Entry]) -> Iterator[NDArray[np.uint8]]:
    """One image after the other, for more than fit into memory."""
    for entry in entries:
        yield from entry.read()


def find_pictures(paths: Sequence[Path], limit: int | None = None) -> list[Entry]:
    """What there is in files, folders and zip archives, evenly thinned to `limit`. Raises DataError
    if there is nothing.
    """
    entries = [entry for path in paths for entry in _look(path)]
    if not entries:
        raise DataError(f"there is no image in {', '.join(repr(str(path)) for path in paths)}")
    if limit is not None and len(entries) > limit:
        entries = [entries[index * len(entries) // limit] for index in range(limit)]
    return entries


def _look(path: Path) -> Iterator[Entry]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in _SUFFIXES:
                yield Entry(file)
    elif path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                names = sorted(archive.namelist())
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read the archive {str(path)!r}: {error}") from error
        for name in names:
            if name.lower().endswith(_SUFFIXES):
                yield Entry(path, name)
    else:
        yield Entry(path)


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    for _ in range(_FRAMES_PER_CLIP):
        seen, frame = capture.read()
        if seen:
            frames.append(np.asarray(frame, np.uint8))
    capture.release()
    return frames
