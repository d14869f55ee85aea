"""Images by name, out of folders, zip archives, clips and single files."""

from __future__ import annotations

import itertools
import os
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from basics.paths import ffmpeg_path
from configs import DataError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
"""Suffixes, in lower case, of the files that count as images wherever files are looked for."""

CLIP_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts"),
        *(".mpg", ".mpeg", ".wmv", ".flv", ".3gp"),
    }
)
"""Suffixes, in lower case, of the files that count as videos."""

FRAMES_PER_CLIP = 4
"""Frames taken of a clip where a few images are wanted: those that follow are much like them."""


class ImageStore:
    """The images of several places, found by name: a context manager that owns the open archives.

    An image is found by its path inside a place, as annotations give it, or else by its bare name
    wherever it lies. Where two places have the same, the first place counts.

    Any number of threads may read, and so may processes that were forked or that got the store
    pickled: each process opens the archives anew, because a file position that is shared with the
    parent would be moved by both. Leaving the context closes the archives of this process.

    Attributes:
        names: What there is to look at, images and clips in the order of the places, each place
            sorted. A path that an earlier place has, too, is preceded by its place here.
    """

    def __init__(self, places: Sequence[Path], *, upright: bool = False) -> None:
        """Lists what is in `places`.

        Args:
            places: Folders, which are searched in depth, zip archives, single images and clips.
            upright: Whether images are turned as their orientation tags say. Labels refer to the
                pixels as they are stored, so not by default.

        Raises:
            DataError: A place does not exist or is none of these.
        """
        self._places = tuple(dict.fromkeys(Path(place) for place in places))
        self._upright = upright
        self._entries: dict[str, _Entry] = {}
        self._bare_names: dict[str, str] = {}
        self._archives = _Archives()
        try:
            for place in self._places:
                self._add(place)
        except BaseException:
            self.close()
            raise
        self.names = tuple(name for name, entry in self._entries.items() if entry.is_picture)

    def __enter__(self) -> ImageStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_archives": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _archives=_Archives())

    def __str__(self) -> str:
        return ", ".join(repr(str(place)) for place in self._places)

    def close(self) -> None:
        """Closes the archives of this process; one that is read from again is opened again."""
        self._archives.close()

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are in none of the places."""
        return [name for name in names if self._find(name) is None]

    def require(self, names: Sequence[str]) -> None:
        """Makes sure that all of `names` are there.

        Raises:
            DataError: Some are not; the message says how many, and names the first.
        """
        missing = self.missing(names)
        if missing:
            raise DataError(
                f"{len(missing)} of {len(names)} images are missing, the first is {missing[0]!r}; "
                f"looked in {self}"
            )

    def read(self, name: str) -> NDArray[np.uint8]:
        """The image called `name`, (H, W, 3) uint8 BGR.

        Raises:
            DataError: It is missing, cannot be read, or is damaged.
        """
        return decode_image(self.read_bytes(name), name, upright=self._upright)

    def read_bytes(self, name: str) -> bytes:
        """The file called `name` as it is stored.

        Raises:
            DataError: It is missing or cannot be read.
        """
        entry = self._entry(name)
        try:
            if not entry.member:
                return Path(entry.path).read_bytes()
            return self._archives_here().read(entry)
        # The last two are how zipfile reports encryption and unknown methods of compression.
        except (
            *(OSError, EOFError, zipfile.BadZipFile, zlib.error),
            *(RuntimeError, NotImplementedError),
        ) as error:
            raise DataError(f"cannot read image {name!r} of {entry.path!r}: {error}") from error

    def frames(self, name: str) -> Iterator[NDArray[np.uint8]]:
        """All frames of the clip called `name`, or that one image, (H, W, 3) uint8 BGR.

        Raises:
            DataError: It is missing, cannot be read, or is damaged.
        """
        entry = self._entry(name)
        if is_clip(name) and not entry.member:
            yield from _decode_clip(entry.path)
        else:
            yield self.read(name)

    def images(
        self, names: Iterable[str] | None = None, *, frames_per_clip: int | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """One image after the other, for more than fit into memory.

        Args:
            names: Images and clips; by default `self.names`.
            frames_per_clip: How many frames of each clip, from its beginning; by default all.

        Yields:
            (H, W, 3) uint8 BGR.

        Raises:
            DataError: One is missing, cannot be read, or is damaged.
        """
        for name in self.names if names is None else names:
            yield from itertools.islice(self.frames(name), frames_per_clip)

    def repeat(self, count: int) -> Iterator[NDArray[np.uint8]]:
        """`count` images and frames, from the first again where there are fewer.

        Args:
            count: How many.

        Yields:
            (H, W, 3) uint8 BGR, decoded when it is asked for, each time anew.

        Raises:
            DataError: There are none at all, or one cannot be decoded.
        """
        left = count
        while left > 0:
            before = left
            for image in itertools.islice(self.images(), left):
                left -= 1
                yield image
            if left == before:
                raise self._nothing()

    def thinned(self, limit: int | None) -> tuple[str, ...]:
        """`names`, or `limit` of them, evenly spread.

        Raises:
            DataError: There are none at all.
        """
        if not self.names:
            raise self._nothing()
        if limit is None or len(self.names) <= limit:
            return self.names
        return tuple(self.names[index * len(self.names) // limit] for index in range(limit))

    def _add(self, place: Path) -> None:
        for entry, inside in self._list(place):
            name = inside if inside not in self._entries else f"{place.as_posix()}/{inside}"
            self._entries[name] = entry
            self._bare_names.setdefault(PurePosixPath(inside).name, name)

    def _list(self, place: Path) -> Iterator[tuple[_Entry, str]]:
        """Entries and their paths inside the place."""
        if place.is_dir():
            for path in _files_in(place):
                yield _Entry(str(place / path)), path
        elif not place.exists():
            raise DataError(
                f"no images at {str(place)!r}: give a folder, a zip archive, an image or a clip"
            )
        elif is_image(place.name) or is_clip(place.name):
            yield _Entry(str(place)), place.name
        else:
            for member in self._archives_here().members(place):
                yield _Entry(str(place), member), member

    def _entry(self, name: str) -> _Entry:
        found = self._find(name)
        if found is None:
            raise DataError(f"image {name!r} is missing; looked in {self}")
        return found

    def _find(self, name: str) -> _Entry | None:
        if name not in self._entries:
            name = self._bare_names.get(PurePosixPath(name).name, "")
        return self._entries.get(name)

    def _nothing(self) -> DataError:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES | CLIP_SUFFIXES))
        return DataError(f"there is no image in {self}: nothing there ends in {suffixes}")

    def _archives_here(self) -> _Archives:
        if self._archives.process != os.getpid():
            self._archives = _Archives()
        return self._archives


def load_images(
    places: Sequence[Path], *, frames_per_clip: int | None = FRAMES_PER_CLIP
) -> list[NDArray[np.uint8]]:
    """All images of some places at once, turned as their orientation tags say.

    Args:
        places: Folders, zip archives, images and clips.
        frames_per_clip: How many frames of each clip, from its beginning; None is all.

    Returns:
        At least one image (H, W, 3) uint8 BGR.

    Raises:
        DataError: There are none, or one cannot be read.
    """
    with ImageStore(places, upright=True) as store:
        return list(store.images(store.thinned(None), frames_per_clip=frames_per_clip))


def is_image(name: str) -> bool:
    """Whether a file is a still image, by its suffix."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def is_clip(name: str) -> bool:
    """Whether a file is a video, by its suffix."""
    return PurePosixPath(name).suffix.lower() in CLIP_SUFFIXES


def decode_image(content: bytes, name: str, *, upright: bool = False) -> NDArray[np.uint8]:
    """An encoded image, decoded.

    Args:
        content: The file.
        name: What messages call it.
        upright: Whether it is turned as its orientation tag says.

    Returns:
        (H, W, 3) uint8 BGR; grey, 16-bit and transparent images are converted.

    Raises:
        DataError: It is damaged or no image.
    """
    flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error:  # sizes that OpenCV refuses
        image = None
    if image is None:
        raise DataError(
            f"cannot decode image {name!r}: the file is damaged or no image; replace it"
        )
    return np.asarray(image, np.uint8)


class _Entry(NamedTuple):
    """A file, or a member of a zip archive."""

    path: str
    member: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether there is something to look at; of a clip there is if it can be opened by path."""
        return is_image(self.member or self.path) or (not self.member and is_clip(self.path))


class _Archives:
    """Zip archives that one process has open. Reading one moves its file position: one at a time;
    decoding is what takes the time, and is done outside.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._open: dict[str, zipfile.ZipFile] = {}

    def members(self, place: Path) -> list[str]:
        try:
            with self._lock:
                names = self._at(str(place)).namelist()
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{str(place)!r} is neither a folder, a readable zip archive, an image nor a "
                f"clip: {error}"
            ) from error
        return sorted((name for name in names if not name.endswith("/")), key=_parts)

    def read(self, entry: _Entry) -> bytes:
        with self._lock:
            return self._at(entry.path).read(entry.member)

    def close(self) -> None:
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _at(self, path: str) -> zipfile.ZipFile:
        if path not in self._open:
            self._open[path] = zipfile.ZipFile(path)
        return self._open[path]


def _files_in(folder: Path) -> list[str]:
    """Paths of all files in and below `folder`, relative to it."""
    found = []
    for where, _, files in os.walk(folder):
        below = Path(where).relative_to(folder).as_posix()
        found += files if below == "." else [f"{below}/{file}" for file in files]
    return sorted(found, key=_parts)


def _parts(path: str) -> list[str]:
    return path.split("/")


def _decode_clip(path: str) -> Iterator[NDArray[np.uint8]]:
    try:
        with av.open(ffmpeg_path(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DataError(f"cannot read clip {path!r}: {error}") from error
