"""Paths for libraries that read more into a name than a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote


def ffmpeg_path(path: str | Path) -> str:
    """`path` as FFmpeg takes it for a file: in `2024-01-01T12:30.mp4` it would find a protocol."""
    return f"file:{path}" if ":" in str(path) else str(path)


@contextmanager
def utf8_path(path: str | Path) -> Iterator[str]:
    """A name for the file at `path` that libraries in C++ can be given: one that is not UTF-8 ends
    the process in OpenCV's bindings (5.0, segmentation fault), and ONNX Runtime's refuse it.

    Raises:
        OSError: The file cannot be opened.
    """
    if is_utf8(path):
        yield str(path)
        return
    with Path(path).open("rb") as file:  # such names are those of systems that have this folder
        yield f"/dev/fd/{file.fileno()}"


def is_utf8(path: str | Path) -> bool:
    """Whether libraries that take names as UTF-8 can be given this one."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def utf8_text(text: str) -> str:
    """`text` with what is not UTF-8 of a file's name as JSON has it, `a\\udcff.jpg`: whoever reads
    a table takes nothing else.
    """
    return text.encode(errors="backslashreplace").decode()


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
