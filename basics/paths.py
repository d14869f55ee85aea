"""Paths for libraries that read more into a name than a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote


def ffmpeg_path(path: str | Path) -> str:
    """`path` as FFmpeg takes it for a file: in `2024-01-01T12:30.mp4` it would find a protocol."""
    return f"file:{path}" if ":" in str(path) else str(path)


def is_there(path: str | Path) -> bool:
    """Whether there is something at `path`; not either, where the system refuses to look: names
    that are too long, circles of links.
    """
    try:
        return Path(path).exists()
    except OSError:
        return False


def plain_path(name: str) -> str:
    """The path that `file:out.mp4`, `file:///home/me/a%20b.mp4` or `file://localhost/a.mp4` means,
    which programs hand over; any other name, or one that is a file's as it is, is left alone.
    """
    if name[:5].lower() != "file:" or is_there(name):
        return name
    rest = name[5:]
    if not rest.startswith("//"):
        return rest
    host, slash, path = rest[2:].partition("/")
    return unquote(f"{slash}{path}") if slash and host.lower() in ("", "localhost") else name
