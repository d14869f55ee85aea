"""Several files one after the other: a folder, a pattern, a list, or images."""

from __future__ import annotations

import glob
import logging
import re
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

from basics.paths import plain_path
from configs import SourceError
from keypoint_datasets.images import CLIP_SUFFIXES
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import Source
from stream.sources.clock import Pace
from stream.sources.config import SourceConfig
from stream.sources.file import FileSource
from stream.sources.network import display_name, is_url
from stream.sources.pictures import IMAGE_FPS, PICTURE_SUFFIXES, PictureSource, is_picture
from stream.sources.playlists import entries, is_concat

logger = logging.getLogger(__name__)

PLAYLIST_SUFFIXES = frozenset({".txt", ".m3u", ".ffconcat", ".streams"})
_NAMED = 3  # files that are left out and named
_TIME_BASE = Fraction(1, 90_000)
# what SourceHealth counts of a file, and a sequence adds up
_COUNTS = ("corrupt_packets", "damaged_frames", "bad_stamps", "decoder_restarts")


class SequenceSource(Source):
    """The frames of all `paths`, images and videos, in that order; numbering and time go on from
    one to the next.

    A file that cannot be read is skipped and told; only if none can be read that is an error. The
    stamp of a frame names its file.

    Args:
        name: What to call the source.
        paths: The files.
        config: As for FileSource; `realtime` counts through all of them.
        found: Whether the files were found in a folder or by a pattern, rather than named.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[str],
        config: SourceConfig | None = None,
        *,
        found: bool = False,
    ) -> None:
        super().__init__()
        config = config or SourceConfig()
        self.name = name
        self.live = config.realtime
        self._paths = list(paths)
        self._left = deque(paths)
        self._found = found
        self._config = replace(config, realtime=False)  # of each file
        self._pace = Pace()
        self._part: PictureSource | FileSource | None = None
        self._info: SourceInfo | None = None
        self._interrupted = False
        self._index = -1
        self._start_s = 0.0  # of the part
        self._part_s: float | None = None  # stream time of its own that the part began at
        self._time_s: float | None = None  # of the last frame
        self._finished = Counter[str]()  # counts of `_COUNTS`, of the videos that are done

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    @property
    def files(self) -> list[Path]:
        """All of them, and the list that names them."""
        return [*map(Path, self._paths), *([] if self._found else [Path(self.name)])]

    def leave_out(self, path: Path) -> bool:
        if not self._found or self._part is not None:
            return False
        self._paths = [item for item in self._paths if Path(item) != path]
        self._left = deque(self._paths)
        logger.info("left out of %r, because this run writes it: %s", self.name, path)
        return True

    def open(self) -> None:
        """Opens the first file that can be read.

        Raises:
            SourceError: No file can be opened.
        """
        part = self._enter_next()
        if (part is None or part.info is None) and self._paths == [self.name]:
            raise SourceError(self.health.message)
        if part is None or part.info is None:
            raise SourceError(
                f"none of the {len(self._paths)} files in {self.name!r} can be read: "
                f"{self.health.message}"
            )
        images_only = all(is_picture(path) for path in self._paths)
        self._info = SourceInfo(
            name=self.name,
            width=part.info.width,
            height=part.info.height,
            fps=part.info.fps,
            frame_count=self._count(part.info) if images_only else None,
            duration_s=self._count(part.info) / IMAGE_FPS if images_only else None,
            time_base=_TIME_BASE,
            silent_because="it is several files" if _has_sound(part.info) else None,
            live=self.live,
        )
        self.health.state = "running"

    def _count(self, first: SourceInfo) -> int:
        """Pictures to expect: those in the first file, and one in every other."""
        return len(self._paths) - 1 + (first.frame_count or 1)

    def grab(self) -> FrameStamp | None:
        while not self._interrupted and self._part is not None:
            part = self._part
            stamp = part.grab()
            self._add_up(part)
            if stamp is not None:
                return self._placed(stamp)
            self._leave()
            if self._enter_next() is None:
                self.health.state = "ended"
        return None

    def retrieve(self, frame: Frame) -> None:
        if self._part is None:
            raise SourceError(f"cannot read {self.name!r}: it is not open")
        self._part.retrieve(frame)

    def interrupt(self) -> None:
        self._interrupted = True
        self._pace.stop()

    def close(self) -> None:
        self._leave()

    def _placed(self, stamp: FrameStamp) -> FrameStamp:
        """The stamp of a part's frame among those of all parts."""
        self._index += 1
        if self._part_s is None:
            self._part_s = stamp.time_s
        self._time_s = self._start_s + stamp.time_s - self._part_s
        if self.live:
            self.health.waited_ns += self._pace.wait(self._time_s)
        return FrameStamp(
            source=stamp.source,
            index=self._index,
            time_s=self._time_s,
            capture_ns=time.monotonic_ns(),
            pts=round(self._time_s / _TIME_BASE),
            time_base=_TIME_BASE,
        )

    def _enter_next(self) -> PictureSource | FileSource | None:
        """Opens the next file that can be read; None if there is none."""
        while self._left:
            path = self._left.popleft()
            part = PictureSource(path) if is_picture(path) else FileSource(path, self._config)
            try:
                part.open()
            except SourceError as error:
                self.health.message = str(error)
                if self._paths != [self.name]:
                    logger.warning("skipped: %s", error)
                if is_picture(path):
                    self._index += 1  # so that those behind it keep their numbers
                continue
            if self._time_s is not None:
                self._start_s = self._time_s + 1 / IMAGE_FPS
            self._part, self._part_s = part, None
            return part
        return None

    def _leave(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.close()
            for name in _COUNTS:
                self._finished[name] += getattr(part.health, name)

    def _add_up(self, part: Source) -> None:
        """Takes what `part` says of its health into that of all parts; `state` stays our own."""
        for name in _COUNTS:
            setattr(self.health, name, self._finished[name] + getattr(part.health, name))
        self.health.decoder = part.health.decoder or self.health.decoder
        if part.health.message:
            self.health.message = f"{part.name}: {part.health.message}"


def _has_sound(info: SourceInfo) -> bool:
    return info.audio_path is not None or info.silent_because is not None


def find_files(spec: str) -> list[str]:
    """The images and videos in a folder, or those that a pattern such as `shots/*.png` finds, in
    natural order (2 before 10).

    Raises:
        SourceError: There are no such files.
    """
    if Path(spec).is_dir():
        there = [path for path in Path(spec).iterdir() if not path.name.startswith(".")]
        found = [
            str(path)
            for path in there
            if path.suffix.lower() in PICTURE_SUFFIXES | CLIP_SUFFIXES and not path.is_dir()
        ]
        names = set(found)
        _tell_left_out(spec, [path for path in there if str(path) not in names])
        kind = "folder"
    else:
        found = [path for path in _matching(spec) if Path(path).is_file()]
        kind = "pattern"
    if not found:
        raise SourceError(f"no images and no videos in {kind} {spec!r}")
    return sorted(found, key=_natural)


def _matching(pattern: str) -> list[str]:
    """What a pattern finds. `**` does not go through links, which `glob` follows in circles."""
    path = Path(pattern)
    if "**" not in path.parts:
        return glob.glob(pattern)  # noqa: PTH207 - keeps the spelling
    plain = list(takewhile(lambda part: not glob.has_magic(part), path.parts))
    folder, rest = Path(*plain), [*path.parts[len(plain) :]]
    if rest[-1] == "**":
        rest.append("*")
    found = (each.relative_to(folder) for each in folder.glob("/".join(rest)))
    shown = [each for each in found if not any(part.startswith(".") for part in each.parts)]
    return [str(folder / each) for each in shown]


def _tell_left_out(folder: str, paths: Sequence[Path]) -> None:
    """Says what else there is in a folder, for somebody who expects it to be read."""
    if paths:
        names = ", ".join(sorted(path.name for path in paths)[:_NAMED])
        more = ", ..." if len(paths) > _NAMED else ""
        logger.warning(
            "left out of %r, because they are folders, or no images or videos by their names: "
            "%d (%s%s)",
            folder,
            len(paths),
            names,
            more,
        )


def read_playlist(path: str) -> list[str]:
    """The files that a list names, one per line, relative to the list, or as FFmpeg's concat lists
    name them; empty lines and lines with `#` are left out.

    Raises:
        SourceError: The list cannot be read, names nothing, or means more than files.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise SourceError(f"cannot read the list {path!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"cannot read the list {path!r}: it is no text in UTF-8") from error
    lines = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if any(map(is_concat, lines)):
        if parts := [line for line in lines if line.startswith(("inpoint", "outpoint"))]:
            raise SourceError(
                f"the list {path!r} takes parts of files ({parts[0]!r}), which cannot be done "
                "here; cut them with ffmpeg -f concat"
            )
        lines = [name for line in lines if is_concat(line) for name in entries(line)]
    if not lines:
        raise SourceError(f"the list {path!r} names no files")
    if addresses := [line for line in lines if is_url(line)]:
        raise SourceError(
            f"the list {path!r} names streams ({display_name(addresses[0])}): those are read side "
            "by side, so give each of them as a source of its own"
        )
    return [str(Path(path).parent / plain_path(line)) for line in lines]


def _natural(path: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", path)
    return [(1, int(part)) if part.isdigit() else (0, part) for part in parts]
