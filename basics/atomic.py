"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from configs.errors import SinkError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_NAME_LENGTH = 40  # of a name in a temporary one: all of it and more could be longer than may be
_NAME_BYTES = 255  # that a name may have on nearly all file systems
_SUFFIX_BYTES = 40
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # of the file system


@contextmanager
def atomic_path(path: Path, *, durable: bool = False, suffix: str | None = None) -> Iterator[Path]:
    """A temporary path in the folder of `path` that takes its place when the block ends well.

    If the block raises, the temporary file is removed and what was at `path` stays as it was.
    Nobody ever sees a part of the new file. A device or a pipe cannot be replaced: it is written
    itself.

    Args:
        path: What is to be written; its folder is made if it is not there.
        durable: Wait until the content is on the disk, so that not even a loss of power leaves an
            empty file. Costs up to a second on a busy disk.
        suffix: How the temporary name ends; by default as `path` does, by which many writers choose
            a format. Another one hides half a file from programs that watch for `path`'s.

    Yields:
        The path to write to.

    Raises:
        OSError: The folder cannot be made or written.
    """
    if _is_special(path):
        yield path
        return
    path = _linked(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _make_temporary(path, suffix)
    try:
        yield temporary
        if durable:
            _flush_to_disk(temporary)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


class Successor:
    """A file that grows during a run, and takes the place of an older one only when it is complete.

    Where there is no older one, the file has its own name from the beginning, so that it can be
    read meanwhile and is there after a crash. A device or a pipe is written itself. A link stays
    one: what it leads to is replaced. Neither the older file nor half of the new one is ever lost:
    `set_aside` keeps both, and what a killed process left is set aside by the next that writes the
    file.

    Args:
        path: Where the file is to be.

    Attributes:
        path: What to write to.
        replaces: Whether something older is at stake.
        special: Whether it is a device or a pipe.

    Raises:
        OSError: The file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = self._final = _linked(path)
        self.special = _is_special(path)
        self.replaces = path.exists() and not self.special
        self._lock: int | None = None
        if not self.special:
            _set_orphans_aside(self._final)
        if self.replaces:
            self.path = _make_spare(self._final)
            self._lock = lock_file(self.path)
        elif not self.special:
            self.path.open("wb").close()
        self._place = self.path.absolute()  # whoever uses this package may go to another folder
        self._status = None if self.special else self.path.stat()

    def check(self) -> None:
        """Finds out whether the file is there still: what goes into one that was removed is lost,
        and no `write` says so.

        Raises:
            FileNotFoundError: It was removed or moved, alone or with its folder.
        """
        if self._status is None:
            return
        with suppress(OSError):
            if self._place.stat().st_ino == self._status.st_ino:
                return
        raise FileNotFoundError(errno.ENOENT, "it was removed or moved while it was written")

    def commit(self) -> None:
        """The file is complete: it takes its place.

        Raises:
            OSError: The file cannot take its place.
        """
        if not self.replaces:
            return
        try:
            self.path.replace(self._final)
        except OSError:  # a file that is mounted by itself, or whose folder may not be written
            shutil.copyfile(self.path, self._final)
            self.path.unlink()
        self.replaces = False
        self._unlock()

    def discard(self) -> None:
        """The file is not wanted: what was there before stays, and nothing else."""
        if not self.special:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
        self._unlock()

    def end(self, *, complete: bool, worthwhile: bool) -> None:
        """`commit` where it is complete, `set_aside` where there is something worthwhile in it,
        else `discard`.

        Raises:
            OSError: The file cannot take its place.
        """
        if complete:
            self.commit()
        elif worthwhile:
            self.set_aside()
        else:
            self.discard()

    def set_aside(self) -> Path | None:
        """The file is incomplete, but worth keeping: an older one stays, and this lies beside it as
        `NAME.partial.SUFFIX`, which is said aloud. Only where there is no older one it stays where
        it is.

        Returns:
            Where it lies; None where it is a device or a pipe, or was removed.
        """
        if not self.replaces:
            return None if self.special else self.path
        self.replaces = False
        self._unlock()
        if not self.path.exists():
            return None
        try:
            self.path = _move_aside(self.path, self._final)
        except OSError as error:  # then it stays under its temporary name
            logger.debug("cannot rename %r: %s", str(self.path), error)
        logger.warning(
            "%r is the older file still: the new one is incomplete, and lies in %r",
            str(self._final),
            str(self.path),
        )
        return self.path

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def unused_path(path: Path) -> Path:
    """`path` where there is nothing, else the first of NAME-2, NAME-3, ... where there is not."""
    place, number = path, 1
    while os.path.lexists(place):
        number += 1
        place = path.with_stem(f"{path.stem}-{number}")
    return place


def partial_path(path: Path) -> Path:
    """`NAME.partial.SUFFIX` beside `path`: how what is incomplete is called."""
    stem = path.stem
    room = _NAME_BYTES - len(os.fsencode(f".partial-999{path.suffix}"))
    while len(os.fsencode(stem)) > max(room, 1):
        stem = stem[:-1]
    return path.with_stem(f"{stem}.partial")


def reserve_path(path: Path) -> Path:
    """An empty file that was not there before: `path`, else NAME-2, NAME-3, ... of its suffix.

    Args:
        path: The name to begin with.

    Returns:
        The name that was free.

    Raises:
        OSError: No file can be made there.
    """
    while True:
        place = unused_path(path)
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:  # somebody was quicker
            continue
        return place


def lock_file(path: Path) -> int | None:
    """Locks a file for as long as this process lives; None where that cannot be.

    Returns:
        The descriptor that holds the lock; closed, it lets go.
    """
    with suppress(OSError):
        return _take_lock(path)
    return None


def is_locked(path: Path) -> bool:
    """Whether a process that lives has locked the file, as far as the file system knows locks."""
    try:
        os.close(_take_lock(path))
    except BlockingIOError:
        return True
    except OSError:  # it is not there, or there are no locks
        return False
    return False


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """`atomic_path` for outputs that a user named: what the file system refuses is a SinkError.

    Args:
        path: What is to be written; its folder must be there, because a folder that is not may be
            a misspelt one.
        durable: As in `atomic_path`.

    Yields:
        The path to write to.

    Raises:
        SinkError: The file cannot be written; one line that says which and why.
    """
    check_writable(path)
    try:
        with atomic_path(path, durable=durable) as temporary:
            yield temporary
    except SinkError:  # is an OSError: what the block found to say is clear already
        raise
    except OSError as error:
        raise write_error(path, error) from error


def check_writable(*paths: Path | None) -> None:
    """Finds out now whether a path could be written after hours of work; creates nothing.

    Args:
        paths: Files that will be written; None stands for one that will not.

    Raises:
        SinkError: The path is a folder, its folder does not exist, or it may not be written.
    """
    for path in paths:
        if path is None:
            continue
        try:
            problem = _find_problem(path)
        except OSError as error:  # a name that is too long, a loop of links
            raise write_error(path, error) from error
        if problem is not None:
            raise SinkError(f"cannot write {str(path)!r}: {problem}")


def check_folder(folder: Path) -> None:
    """Finds out now whether files could be written into a folder, which may not be there yet;
    creates nothing.

    Args:
        folder: Where files will be written.

    Raises:
        SinkError: It is a file, or it may not be made or written.
    """
    if "\0" in str(folder):
        raise SinkError(f"cannot write into {str(folder)!r}: no name has a zero byte in it")
    try:
        place = folder
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise SinkError(f"cannot write into {str(folder)!r}: {str(place)!r} is not a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise SinkError(f"cannot write into {str(folder)!r}: permission denied")
    except SinkError:
        raise
    except OSError as error:
        raise write_error(folder, error) from error


def write_error(path: Path, error: Exception) -> SinkError:
    """One line: which file could not be written, and why. `error` is the system's or FFmpeg's."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SinkError(f"cannot write {str(path)!r}: {reason}")


def _linked(path: Path) -> Path:
    """What a link leads to; `path` itself where it is none."""
    # Not `resolve`, which makes a RuntimeError of a circle: to open it says what is the matter.
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _make_temporary(path: Path, suffix: str | None = None) -> Path:
    name = f"{_temporary_stem(path)}{secrets.token_hex(4)}{suffix or _temporary_suffix(path)}"
    temporary = path.with_name(name)
    # Not tempfile.mkstemp, whose files only their owner may read: this is no secret.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _temporary_stem(path: Path) -> str:
    """How the names of temporary files of `path` begin, and of no other file's."""
    name = path.name[:_NAME_LENGTH]
    if name == path.name:
        return f".{name}."
    return f".{name}.{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}."


def _temporary_suffix(path: Path) -> str:
    """How they end: as `path` does, unless all that follows its first dot counts as a suffix."""
    return path.suffix if len(os.fsencode(path.suffix)) <= _SUFFIX_BYTES else ""


def _make_spare(older: Path) -> Path:
    """A temporary file beside an older one, with its rights; elsewhere if its folder is shut."""
    try:
        spare = _make_temporary(older)
    except OSError:
        if not os.access(older, os.W_OK):
            raise
        handle, name = tempfile.mkstemp(suffix=older.suffix)
        os.close(handle)
        spare = Path(name)
    shutil.copymode(older, spare)
    return spare


def _take_lock(spare: Path) -> int:
    """As `lock_file`.

    Raises:
        OSError: The file cannot be opened, another process has it (EWOULDBLOCK), or there are no
            locks (`_NO_LOCKS`).
    """
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    descriptor = os.open(spare, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _move_aside(spare: Path, final: Path) -> Path:
    """Gives `spare` a name beside `final` that can be seen, and was free.

    Raises:
        OSError: It cannot be renamed; nothing else has changed.
    """
    place = reserve_path(partial_path(final))
    try:
        spare.replace(place)
    except OSError:
        with suppress(OSError):
            place.unlink(missing_ok=True)  # empty
        raise
    return place


def _set_orphans_aside(path: Path) -> None:
    """Gives names that can be seen to what processes left that were killed as they wrote `path`
    beside an older file. Without locks nobody knows whether such a process lives: then it is only
    said where the file lies.
    """
    orphan = re.compile(
        rf"{re.escape(_temporary_stem(path))}[0-9a-f]{{8}}{re.escape(_temporary_suffix(path))}"
    )
    try:
        found = [item for item in path.parent.iterdir() if orphan.fullmatch(item.name)]
    except OSError:
        return
    for spare in found:
        try:
            if not spare.stat().st_size:
                continue
            lock = _take_lock(spare)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                logger.warning(
                    "%r may be what a killed run wrote into %r, or another one that writes it now",
                    str(spare),
                    str(path),
                )
            continue
        with suppress(OSError):  # else it stays under its temporary name
            spare = _move_aside(spare, path)
        logger.warning("what a killed run wrote is in %r", str(spare))
        os.close(lock)


def _find_problem(path: Path) -> str | None:
    if "\0" in str(path):
        return "no name has a zero byte in it"
    if path.is_dir():
        return "it is a folder; give a file name"
    if not path.parent.is_dir():
        return f"the folder {str(path.parent)!r} does not exist; create it first"
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return "permission denied; choose another place"
    return None


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
