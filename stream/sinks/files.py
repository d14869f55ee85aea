"""Files that outputs write: refused early with one clear line, and never left with half a line in
them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from configs.errors import SinkError, redact_url
from stream.frame import SourceInfo


def check_output(path: Path, source: SourceInfo) -> None:
    """Raises SinkError if `path` cannot become a file, or is the very file that is being read."""
    if path.is_dir():
        raise SinkError(
            f"cannot write {str(path)!r}: it is a folder; give the name of a file in it"
        )
    if not path.parent.is_dir():
        raise SinkError(
            f"cannot write {str(path)!r}: no folder {str(path.parent)!r}; create it first"
        )
    if path.exists() and Path(source.name).exists() and path.samefile(source.name):
        raise SinkError(f"cannot write {str(path)!r}: it is the source itself; choose another name")


def shown_target(target: str) -> str:
    """`target` for people to read: without user, password, query, and the stream key that ends an
    RTMP address.
    """
    scheme, separator, rest = redact_url(target).partition("://")
    if not separator:
        return target
    rest = rest.split("?", 1)[0]
    if scheme.lower() in ("rtmp", "rtmps") and rest.count("/") > 1:
        rest = f"{rest.rpartition('/')[0]}/***"
    return f"{scheme}://{rest}"


def sink_error(path: Path | str, error: OSError) -> SinkError:
    """One line that says why `path` could not be written."""
    reason = error.strerror or str(error) or type(error).__name__
    return SinkError(f"cannot write {redact_url(str(path))!r}: {reason}")


class LineFile:
    """A text file that holds complete lines at any moment, even after SIGKILL or on a full disk.

    Each line is one unbuffered `write`; a line that only went in half is taken out again. `-` is
    standard output.
    """

    def __init__(self, path: str) -> None:
        self._name = path
        self._file: int | None = None
        self._length = 0

    def open(self, source: SourceInfo) -> None:
        """Creates the file, empty. Raises SinkError if that cannot be done."""
        if self._name == "-":
            self._file = os.dup(sys.stdout.fileno())
            return
        check_output(Path(self._name), source)
        try:
            self._file = os.open(self._name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            raise sink_error(self._name, error) from error

    def write_line(self, line: str) -> None:
        """Appends `line` and a line end. Raises SinkError if it did not go in completely."""
        if self._file is None:
            raise SinkError(f"cannot write {self._name!r}: it is not open")
        rest = memoryview(line.encode() + b"\n")
        total = len(rest)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            if self._name != "-" and len(rest) < total:
                os.ftruncate(self._file, self._length)
            raise sink_error(self._name, error) from error
        self._length += total

    def close(self) -> None:
        """Gives the file back; a second call does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
