"""Which videos an archive is made of: files, folders, patterns, lists and addresses."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from archive.storage import file_system, is_remote, retried
from archive.units import Video
from basics.paths import is_there
from configs import SourceError
from configs.errors import redact_url
from keypoint_datasets.images import CLIP_SUFFIXES

_LISTS = frozenset({".txt", ".list", ".m3u"})


class _Found(NamedTuple):
    """A file, what its outputs would be called, and its bytes."""

    address: str
    name: str
    size: int | None


def find_videos(inputs: Sequence[str], known: Iterable[Video] = ()) -> list[Video]:
    """The videos that `inputs` name, each once.

        clip.mp4, s3://bucket/clip.mp4      a file
        recordings, s3://bucket/recordings  all videos in a folder and below
        cameras/*/monday.mp4, gs://b/*.mkv  what a pattern finds; ** is any depth
        videos.txt                          what a list names, one a line

    Args:
        inputs: As above.
        known: Videos of an earlier run, which keep their names.

    Raises:
        SourceError: One of them names nothing.
        FetchError: A store cannot be listed.
    """
    names = {video.address: video.name for video in known}
    taken = set(names.values())
    videos: dict[str, Video] = {}
    for spec in inputs:
        for address, plain, size in _find(spec):
            if address in videos:
                continue
            if address not in names:
                names[address] = _unused(plain, taken)
                taken.add(names[address])
            videos[address] = Video(address=address, name=names[address], size=size)
    return list(videos.values())


def _unused(plain: str, taken: set[str]) -> str:
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}_{number}"
    return name


def _find(spec: str) -> list[_Found]:
    if is_remote(spec):
        return _find_remote(spec)
    path = Path(spec)
    there = is_there(path)
    if there and path.is_dir():
        files = sorted(
            (file for file in path.rglob("*") if _is_video(file.name) and file.is_file()),
            key=lambda file: _natural(file.as_posix()),
        )
        found = [_local(str(file), file.relative_to(path).as_posix()) for file in files]
        if not found:
            raise SourceError(f"there is no video in {spec!r}")
        return found
    if glob.has_magic(spec) and not there:
        # Path.glob takes no absolute pattern.
        matches = sorted(glob.glob(spec, recursive=True), key=_natural)  # noqa: PTH207
        files = [Path(match) for match in matches if Path(match).is_file() and _is_video(match)]
        if not files:
            raise SourceError(f"no video matches {spec!r}")
        base = _fixed(spec)
        return [_local(str(file), file.relative_to(base).as_posix()) for file in files]
    if not there:
        raise SourceError(f"no such file: {spec!r}")
    if path.suffix.lower() in _LISTS:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return [each for line in _entries(lines, spec) for each in _listed(line, path.parent)]
    return [_local(spec, path.name)]


def _find_remote(spec: str) -> list[_Found]:
    shown = redact_url(spec)
    system, path = file_system(spec)
    if glob.has_magic(path) and not spec.startswith("http"):
        found = retried(lambda: system.glob(path, detail=True), f"list {shown!r}")
        base = str(PurePosixPath(_fixed(path)))
    elif spec.startswith("http") and not spec.endswith("/"):
        return [_Found(spec, _name(PurePosixPath(urlsplit(spec).path).name), _size(system, path))]
    elif PurePosixPath(path).suffix.lower() in _LISTS:
        text = retried(lambda: system.cat_file(path), f"read {shown!r}").decode("utf-8-sig")
        return [each for line in _entries(text.splitlines(), shown) for each in _find(line)]
    elif _is_video(path):
        return [_Found(spec, _name(PurePosixPath(path).name), _size(system, path))]
    else:
        found = retried(lambda: system.find(path, detail=True), f"list {shown!r}")
        base = path
    files = [(str(name), info) for name, info in found.items() if _is_video(str(name))]
    if not files:
        raise SourceError(f"there is no video in {shown!r}")
    return [
        _Found(
            system.unstrip_protocol(name),
            _name(name.removeprefix(base).lstrip("/")),
            info.get("size"),
        )
        for name, info in sorted(files, key=lambda item: _natural(item[0]))
    ]


def _size(system: object, path: str) -> int | None:
    """Bytes of a file; None where that cannot be found out now: the report will say why."""
    try:
        size = system.info(path).get("size")  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - each store has errors of its own
        return None
    return None if size is None else int(size)


def _entries(lines: Iterable[str], name: str) -> list[str]:
    found = [line.strip() for line in lines]
    found = [line for line in found if line and not line.startswith("#")]
    if not found:
        raise SourceError(f"the list {name!r} names nothing")
    return found


def _listed(line: str, folder: Path) -> list[_Found]:
    """What a line of a list names; a file that is not there is one that cannot be read."""
    if is_remote(line):
        return _find_remote(line)
    path = folder / line
    return _find(str(path)) if is_there(path) else [_Found(str(path), _name(path.name), None)]


def _local(address: str, relative: str) -> _Found:
    return _Found(address, _name(relative), Path(address).stat().st_size)


def _name(relative: str) -> str:
    """What the outputs of a file are called: without its suffix, and within the folder."""
    path = PurePosixPath(relative)
    parts = [part for part in path.with_suffix("").parts if part not in ("..", "/", ".")]
    # A name that the manifest has for itself would be hidden among its files.
    return "/".join(part.lstrip("_.") or "video" for part in parts[:1]) + "".join(
        f"/{part}" for part in parts[1:]
    )


def _fixed(pattern: str) -> str:
    """The folders of a pattern before the first one that is a pattern itself."""
    parts = PurePosixPath(pattern).parts
    fixed = []
    for part in parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return str(PurePosixPath(*fixed))


def _is_video(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in CLIP_SUFFIXES


def _natural(path: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", path)
    return [(1, int(part)) if part.isdigit() else (0, part) for part in parts]
