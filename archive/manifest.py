"""What is finished, kept beside the outputs: one small file per finished thing, which appears whole
or not at all, so that a run that was killed goes on where it was.

    OUT/_archive/settings.json            what the archive is made with
    OUT/_archive/videos.json              its videos
    OUT/_archive/finished/NAME.json       the last word on a video
    OUT/_archive/cut/NAME.json            how a long one was cut, or that it cannot be
    OUT/_archive/part/NAME/0007.json      a finished part, whose people lie beside it (.npz)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from typing import Any, TypeVar

from archive.storage import Folder
from archive.units import Cut, Finished, Outcome, Video
from configs import ConfigError
from configs.loading import from_mapping

logger = logging.getLogger(__name__)

T = TypeVar("T")

HOME = "_archive"
_SETTINGS, _VIDEOS = f"{HOME}/settings.json", f"{HOME}/videos.json"


class Manifest:
    """The manifest of an archive; one driver writes it.

    Args:
        folder: That of the outputs.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def agree(self, settings: Mapping[str, str]) -> None:
        """Makes sure that what is there was made with the same settings, and is gone on with.

        Raises:
            ConfigError: It was made with others.
        """
        before = self._read(_SETTINGS)
        if before is None:
            self._write(_SETTINGS, dict(settings))
            return
        for name in sorted({*before, *settings}):
            old, new = before.get(name, ""), settings.get(name, "")
            if old != new:
                then, now = (f"{value!r}" if value else "its default" for value in (old, new))
                raise ConfigError(
                    f"{self.folder.address!r} holds an archive made with {then} for {name}, "
                    f"not {now}; give the same options, or another folder"
                )

    def videos(self) -> list[Video]:
        """The videos of the archive, as the last run knew them.

        Raises:
            ConfigError: There is no archive.
        """
        found = self._read(_VIDEOS)
        if found is None:
            raise ConfigError(f"there is no archive in {self.folder.address!r}")
        return [from_mapping(Video, video, _VIDEOS) for video in found["videos"]]

    def has_videos(self) -> bool:
        """Whether a run was here before."""
        return self._read(_VIDEOS) is not None

    def keep_videos(self, videos: list[Video]) -> None:
        """Keeps the list of videos, whose names stay theirs in later runs."""
        self._write(_VIDEOS, {"videos": [asdict(video) for video in videos]})

    def finish(self, finished: Finished) -> None:
        """The last word on a video, whose outputs are complete."""
        self._write(_finished(finished.name), asdict(finished))

    def finished(self, names: set[str]) -> dict[str, Finished]:
        """What is finished, by name of the video.

        Args:
            names: All files of the folder.
        """
        return self._all(names, "finished", Finished)

    def cuts(self, names: set[str]) -> dict[str, Cut | None]:
        """How videos were cut, by name; None for those that cannot be.

        Args:
            names: All files of the folder.
        """
        there = sorted(name for name in names if name.startswith(f"{HOME}/cut/"))
        found: dict[str, Cut | None] = {}
        for name, content in self.folder.read(there).items():
            record = _json(name, content)
            if record is not None:
                cut = None if record.get("reason") else from_mapping(Cut, record, name)
                found[_video_of(name, "cut")] = cut
        return found

    def cut(self, name: str, cut: Cut) -> None:
        """A video is to be done in parts."""
        record = asdict(cut) | {"time_base": str(cut.time_base), "start_s": str(cut.start_s)}
        self._write(f"{HOME}/cut/{name}.json", record)

    def uncut(self, name: str, reason: str) -> None:
        """A video is to be done whole from now on."""
        self._write(f"{HOME}/cut/{name}.json", {"reason": reason})

    def finish_part(self, name: str, number: int, outcome: Outcome) -> None:
        """A part is done; its people lie in `part_file`."""
        self._write(_part(name, number, "json"), asdict(outcome))

    def parts(self, name: str, files: set[str]) -> dict[int, Outcome]:
        """The finished parts of a video.

        Args:
            name: Of the video.
            files: All files of the folder.
        """
        begin = f"{HOME}/part/{name}/"
        there = sorted(
            file
            for file in files
            if file.startswith(begin)
            and file.endswith(".json")
            and file.removesuffix("json") + "npz" in files
        )
        found = {}
        for file, content in self.folder.read(there).items():
            record = _json(file, content)
            number = file.removeprefix(begin).removesuffix(".json")
            if record is not None and number.isdigit():
                found[int(number)] = from_mapping(Outcome, record, file)
        return found

    def clear(self, name: str, parts: int) -> None:
        """Removes what is no longer needed of the parts of a video."""
        kinds = ("json", "npz")  # a part without its record is none
        self.folder.remove([_part(name, number, kind) for number in range(parts) for kind in kinds])
        self._remove_folders(name)

    def _remove_folders(self, name: str) -> None:
        local = self.folder.local
        if local is not None and (place := local / HOME / "part" / name).is_dir():
            with suppress(OSError):  # another video's, or half-written
                place.rmdir()

    def _all(self, names: set[str], kind: str, cls: type[T]) -> dict[str, T]:
        there = sorted(name for name in names if name.startswith(f"{HOME}/{kind}/"))
        contents = self.folder.read(there).items()
        records = {_video_of(name, kind): _json(name, content) for name, content in contents}
        return {
            name: from_mapping(cls, record, name)
            for name, record in records.items()
            if record is not None
        }

    def _read(self, name: str) -> Any:
        content = self.folder.read([name]).get(name)
        return None if content is None else _json(name, content)

    def _write(self, name: str, record: dict[str, Any]) -> None:
        self.folder.write(name, json.dumps(record, default=_plain).encode())


def part_file(name: str, number: int) -> str:
    """Where the people of a part lie, relative to the folder."""
    return _part(name, number, "npz")


def _part(name: str, number: int, kind: str) -> str:
    return f"{HOME}/part/{name}/{number:04d}.{kind}"


def _finished(name: str) -> str:
    return f"{HOME}/finished/{name}.json"


def _video_of(file: str, kind: str) -> str:
    return file.removeprefix(f"{HOME}/{kind}/").removesuffix(".json")


def _json(name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:  # nobody of us writes such a file; then the work is done again
        logger.warning("%s is damaged and is left out: %s", name, error)
        return None


def _plain(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a manifest")
