"""Files that a file names: what else is read with it."""

from __future__ import annotations

import re
from pathlib import Path

from stream.sources.network import is_url

_LARGEST_BYTES = 1 << 20  # a playlist of a day of two-second segments
_DEEPEST = 4  # master playlist, playlist, segments; lists of lists
_ATTRIBUTE = re.compile(r'URI="([^"]+)"')
_CONCAT = re.compile(r"""\s*file\s+(?:'([^']*)'|"([^"]*)"|(\S+))""")
_BEGINNINGS = ("#EXTM3U", "ffconcat")


def playlist_files(path: Path, *, depth: int = 0) -> list[Path]:
    """Files that the playlist at `path` names, and those that those name; none where it is no
    playlist (HLS, or FFmpeg's concat list).
    """
    try:
        if not path.is_file():  # what comes through a pipe can be read only once
            return []
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES)
    except (OSError, ValueError):
        return []
    if not content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(tuple(map(str.encode, _BEGINNINGS))):
        return []
    found = []
    for line in content.decode(errors="replace").splitlines():
        for entry in entries(line.strip()):
            if not is_url(entry):
                member = path.parent / entry.removeprefix("file://").removeprefix("file:")
                found.append(member)
                if depth < _DEEPEST and member != path:
                    found += playlist_files(member, depth=depth + 1)
    return found


def is_concat(line: str) -> bool:
    """Whether a line names a file as FFmpeg's concat lists do: `file 'a.mp4'`."""
    return _CONCAT.match(line) is not None


def entries(line: str) -> list[str]:
    """The files that a line of a playlist names."""
    if line.startswith("#"):
        return _ATTRIBUTE.findall(line)
    if (match := _CONCAT.match(line)) is not None:
        return [next(filter(None, match.groups()), "")]
    return [line] if line and not line.startswith("ffconcat") else []
