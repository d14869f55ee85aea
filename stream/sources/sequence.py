"""Several files one after the other: a folder, a pattern, a list, or images."""

from __future__ import annotations

import glob
import logging
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import SourceError
from stream.frame import SourceInfo
from stream.sources.base import FrameSlot, Source
from stream.sources.config import SourceConfig
from stream.sources.file import FileSource
from stream.sources.pace import Pace

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
VIDEO_SUFFIXES = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".mts",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".flv",
        ".3gp",
    }
)
PLAYLIST_SUFFIXES = frozenset({".txt", ".m3u"})
IMAGE_FPS = 25.0  # images have no time of their own; this is how fast the video made of them plays
_TIME_BASE = Fraction(1, 90_000)
# what SourceHealth counts of a file, and a sequence adds up
_COUNTS = ("corrupt_packets", "damaged_frames", "bad_stamps")


class SequenceSource(Source):
    """The frames of all `paths`, images and videos, in that order; numbering and time go on from
    one to the next.

    A file that cannot be read is skipped and told; only if none can be read that is an error.
    `Frame.source` is the file.

    config: as for FileSource; `realtime` counts through all of them.
    """

    def __init__(self, name: str, paths: Sequence[str], config: SourceConfig | None = None) -> None:
        super().__init__()
        config = config or SourceConfig()
        self.name = name
        self.live = config.realtime
        self._paths = list(paths)
        self._config = replace(config, realtime=False)  # of each file
        self._pace = Pace()
        self._video: FileSource | None = None
        self._image: NDArray[np.uint8] | None = None
        self._info: SourceInfo | None = None
        self._interrupted = False
        self._finished = Counter[str]()  # counts of `_COUNTS`, of the videos that are done

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    def open(self) -> None:
        """Opens the first file that can be read. Raises SourceError if none can."""
        self._next_path = 0
        self._index = -1
        self._start_s = 0.0
        if not self._advance():
            raise SourceError(
                f"none of the {len(self._paths)} files in {self.name!r} can be read: "
                f"{self.health.message}"
            )
        info = None if self._video is None else self._video.info
        if info is None:
            assert self._image is not None
            height, width = self._image.shape[:2]
        else:
            height, width = info.height, info.width
        images_only = all(is_image(path) for path in self._paths)
        self._info = SourceInfo(
            name=self.name,
            width=width,
            height=height,
            fps=IMAGE_FPS if info is None else info.fps,
            frame_count=len(self._paths) if images_only else None,
            duration_s=len(self._paths) / IMAGE_FPS if images_only else None,
            time_base=_TIME_BASE,
            live=self.live,
        )
        self._fresh = True
        self.health.state = "running"

    def grab(self) -> bool:
        while not self._interrupted:
            if self._image is not None and self._fresh:
                self.time_s = self._start_s
                break
            if self._video is not None:
                found = self._video.grab()
                self._add_up(self._video)
                if found:
                    self.time_s = self._start_s + self._video.time_s
                    break
            self._leave()
            if not self._advance():
                self.health.state = "ended"
                return False
        else:
            return False
        self._fresh = False
        self._index += 1
        if self.live:
            self.health.waited_ns += self._pace.wait(self.time_s)
        self._capture_ns = time.monotonic_ns()
        return True

    def retrieve(self, slot: FrameSlot) -> None:
        if self._video is not None:
            self._video.retrieve(slot)
        elif self._image is not None:
            slot.resize(*self._image.shape[:2])[:] = self._image
        slot.describe(
            source=self._path,
            index=self._index,
            time_s=self.time_s,
            pts=round(self.time_s / _TIME_BASE),
            time_base=_TIME_BASE,
            capture_ns=self._capture_ns,
        )

    def interrupt(self) -> None:
        self._interrupted = True
        self._pace.stop()

    def close(self) -> None:
        self._leave()

    def _advance(self) -> bool:
        """Opens the next file that can be read; False if there is none."""
        while self._next_path < len(self._paths):
            self._path = self._paths[self._next_path]
            self._next_path += 1
            try:
                self._enter(self._path)
            except SourceError as error:
                self.health.message = str(error)
                logger.warning("skipped: %s", error)
                continue
            if self._index >= 0:
                self._start_s = self.time_s + 1 / IMAGE_FPS
            return True
        return False

    def _enter(self, path: str) -> None:
        if is_image(path):
            self._image, self._fresh = read_image(path), True
            return
        video = FileSource(path, self._config)
        video.open()
        self._video = video

    def _leave(self) -> None:
        self._image = None
        video, self._video = self._video, None
        if video is not None:
            video.close()
            for name in _COUNTS:
                self._finished[name] += getattr(video.health, name)

    def _add_up(self, video: FileSource) -> None:
        """Takes what `video` says of its health into that of all videos; `state` stays our own."""
        for name in _COUNTS:
            setattr(self.health, name, self._finished[name] + getattr(video.health, name))
        if video.health.message:
            self.health.message = f"{video.name}: {video.health.message}"


def find_files(spec: str) -> list[str]:
    """The images and videos in a folder, or those that a pattern such as `shots/*.png` finds, in
    natural order (2 before 10).

    Raises SourceError if there are none.
    """
    if Path(spec).is_dir():
        found = [
            str(path)
            for path in Path(spec).iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES
        ]
        kind = "folder"
    else:
        found = [path for path in glob.glob(spec, recursive=True) if Path(path).is_file()]  # noqa: PTH207 - keeps the spelling
        kind = "pattern"
    if not found:
        raise SourceError(f"no images and no videos in {kind} {spec!r}")
    return sorted(found, key=_natural)


def read_playlist(path: str) -> list[str]:
    """The files that a list names, one a line, relative to the list; empty lines and lines with `#`
    are left out.

    Raises SourceError if it cannot be read or names nothing.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read the list {path!r}: {error}") from error
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not entries:
        raise SourceError(f"the list {path!r} names no files")
    return [str(Path(path).parent / entry) for entry in entries]


def is_image(path: str) -> bool:
    """Whether the file is a still image, by its suffix."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def read_image(path: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR, turned as its EXIF data says; grey, 16-bit and transparent images are
    converted.

    Raises SourceError if it cannot be read.
    """
    if not Path(path).exists():
        raise SourceError(f"no such file: {path!r}")
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"{path!r} is not an image that can be read")
    return image  # type: ignore[return-value]


def _natural(path: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", path)
    return [(1, int(part)) if part.isdigit() else (0, part) for part in parts]
