"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from configs.errors import SinkError


@contextmanager
def atomic_path(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary path in the folder of `path` that takes its place when the block ends well.

    If the block raises, the temporary file is removed and what was at `path` stays as it was.
    Nobody ever sees a part of the new file. A device or a pipe cannot be replaced: it is written
    itself.

    Args:
        path: What is to be written; its folder is made if it is not there.
        durable: Wait until the content is on the disk, so that not even a loss of power leaves an
            empty file. Costs up to a second on a busy disk.

    Yields:
        The path to write to, with the suffix of `path`, by which many writers choose a format.

    Raises:
        OSError: The folder cannot be made or written.
    """
    if _is_special(path):
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner reads; what is written here is no secret.
        temporary.chmod(0o666 & ~_umask())
        if durable:
            _flush_to_disk(temporary)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """`atomic_path` for outputs that a user named: what the file system refuses is a SinkError.

    Args:
        path: What is to be written; its folder is made if it is not there.
        durable: As in `atomic_path`.

    Yields:
        The path to write to.

    Raises:
        SinkError: The file cannot be written; one line that says which and why.
    """
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
        if path.is_dir():
            raise SinkError(f"cannot write {str(path)!r}: it is a folder; give a file name")
        if not path.parent.is_dir():
            raise SinkError(
                f"cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist; "
                "create it first"
            )
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SinkError(f"cannot write {str(path)!r}: permission denied; choose another place")


def write_error(path: Path, error: OSError) -> SinkError:
    """One line that says which file could not be written, and why."""
    return SinkError(f"cannot write {str(path)!r}: {error.strerror or error}")


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
