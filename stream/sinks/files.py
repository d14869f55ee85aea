"""Files that outputs write: refused early with one clear line, and never left with half a line in
them.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from basics.atomic import Successor, check_writable
from basics.paths import utf8_text
from configs.errors import SinkError, redact_url
from stream.frame import SourceInfo
from stream.sinks.claims import Claim, claim_file

_FLAGS = os.O_WRONLY | getattr(os, "O_BINARY", 0)  # Windows would make two bytes of a line's end

_STANDARD_OUTPUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def check_output(path: Path, source: SourceInfo) -> None:
    """Refuses a path that nothing can be written to.

    Raises:
        SinkError: `path` cannot become a file, or is the very file that is being read.
    """
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
    return SinkError(f"cannot write {redact_url(str(path))!r}: {reason_of(error)}")


def reason_of(error: Exception) -> str:
    """What the system, or FFmpeg, has against it."""
    if getattr(error, "errno", None) == errno.EPIPE:  # as of `head` when it has its lines
        return "what read it has ended"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def end_successor(
    successor: Successor, name: str, *, complete: bool, frames: int, empty_too: bool
) -> None:
    """Ends a file that holds `frames`. A new one without any stays only where `empty_too` says so.

    Raises:
        SinkError: It cannot take the place of an older one, or is not there any more.
    """
    worthwhile = frames > 0 or (empty_too and not successor.replaces)
    try:
        if frames:
            successor.check()
        successor.end(complete=complete, worthwhile=worthwhile)
    except OSError as error:
        raise sink_error(name, error) from error


class OutputFolder:
    """A folder that an output writes files into, made with those that it lies in.

    Args:
        path: Where it is, or is to be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []

    def make(self) -> None:
        """Makes what is missing.

        Raises:
            SinkError: The folder cannot be made or written.
        """
        self._made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise sink_error(self.path, error) from error

    def remove_unused(self) -> None:
        """Takes away what was made and has no files in it."""
        with suppress(OSError):
            for folder in self._made:
                folder.rmdir()


def is_standard_output(path: str) -> bool:
    """Whether a file of that name is standard output: `-`, and what Unix calls it."""
    return path == "-" or os.path.normpath(path) in _STANDARD_OUTPUT


class LineFile:
    """A text file that holds complete lines at any moment, even after SIGKILL or on a full disk.

    Each call is one unbuffered `write`; what only went in half is taken out again, so that a next
    call goes on behind what is whole, in a file that is opened again: a disk that was away gives
    another one. `-` is standard output. An older file of that name stays
    until this one is closed, with frames in it and none that failed last.
    """

    def __init__(self, path: str) -> None:
        self._name = path
        self._standard = is_standard_output(path)
        self._file: int | None = None
        self._successor: Successor | None = None
        self._header: str | None = None
        self._length = 0
        self._frames = 0
        self._complete = False

    def claims(self) -> list[Claim]:
        """The file, if it is one.

        Raises:
            SinkError: The file could not be written.
        """
        if self._standard:
            # By its name, so that it is taken once; and where it is led into a file, that is.
            place = Path(_STANDARD_OUTPUT[0])
            return [Claim(self._name, place.parent, re.compile(place.name), place.name)]
        check_writable(Path(self._name))
        return [claim_file(Path(self._name))]

    def open(self, source: SourceInfo, header: str | None = None) -> None:
        """Creates the file, with its first line if it has one.

        Raises:
            SinkError: The file cannot be created.
        """
        if self._standard:
            if sys.stdout is None:  # the process was started without one
                raise SinkError(f"cannot write {self._name!r}: standard output is closed")
            self._file = os.dup(sys.stdout.fileno())
        else:
            check_output(Path(self._name), source)
            try:
                self._successor = Successor(Path(self._name))
                self._file = os.open(self._successor.path, _FLAGS | os.O_TRUNC)
            except OSError as error:
                raise sink_error(self._name, error) from error
        self._header = header
        if header is not None:
            self._append(header)

    def write_frame(self, lines: str) -> None:
        """Appends the lines of a frame, which may be none.

        Raises:
            SinkError: The lines did not go in completely.
        """
        if self._file is None:
            self._open_again()
        self._complete = False
        if lines:
            self._append(lines)
        self._complete = True
        self._frames += 1

    @property
    def resumable(self) -> bool:
        """Whether a call after one that failed may go well: who reads a pipe does not come back."""
        return not self._standard

    def close(self) -> None:
        """Finishes the file; a second call does nothing.

        Raises:
            SinkError: The file cannot take the place of an older one.
        """
        self._end(complete=self._complete, empty_too=True)

    def abandon(self) -> None:
        """Instead of `close`, where the run failed: an older file stays, what went in lies beside
        it, and a file without frames goes.
        """
        self._end(complete=False, empty_too=False)

    def _end(self, *, complete: bool, empty_too: bool) -> None:
        self._give_back()
        successor, self._successor = self._successor, None
        if successor is not None:
            end_successor(
                successor, self._name, complete=complete, frames=self._frames, empty_too=empty_too
            )

    def _append(self, lines: str) -> None:
        assert self._file is not None
        rest = memoryview(utf8_text(lines).encode() + b"\n")
        total = len(rest)
        try:
            if self._successor is not None:
                self._successor.check()
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            if self._successor is not None and not self._successor.special:
                with suppress(OSError):
                    os.ftruncate(self._file, self._length)
                self._give_back()
            raise sink_error(self._name, error) from error
        self._length += total

    def _open_again(self) -> None:
        """Goes on behind what is whole; in a new file where that is gone."""
        if self._successor is None:
            raise SinkError(f"cannot write {self._name!r}: it is not open")
        try:
            try:
                self._successor.check()
            except FileNotFoundError:
                self._successor, self._length = Successor(Path(self._name)), 0
            self._file = os.open(self._successor.path, _FLAGS)
            os.lseek(self._file, self._length, os.SEEK_SET)
        except OSError as error:
            raise sink_error(self._name, error) from error
        if not self._length and self._header is not None:
            self._append(self._header)

    def _give_back(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


class LineFileSink:
    """What sinks that write a text file have in common.

    Args:
        path: The file; `-` is standard output.
    """

    needs_image = False

    def __init__(self, path: str) -> None:
        self.label = path
        self._file = LineFile(path)

    @property
    def resumable(self) -> bool:
        """Whether a write that failed may be tried again with the next frame."""
        return self._file.resumable

    def claims(self) -> list[Claim]:
        """The file, if it is one.

        Raises:
            SinkError: The file could not be written.
        """
        return self._file.claims()

    def close(self) -> None:
        """Finishes the file; a second call does nothing.

        Raises:
            SinkError: The file cannot take the place of an older one.
        """
        self._file.close()

    def abandon(self) -> None:
        """Instead of `close`, where the run failed: an older file stays."""
        self._file.abandon()
