"""Folders for what is not complete yet, which are not left behind by whoever is killed."""

from __future__ import annotations

import getpass
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)

_PREFIX = "pose-archive-"
_LOCK = ".owner"  # locked for as long as the owner lives: the system lets go of it for the dead
_GUARD = ".pose-archive-{user}.lock"  # of a place; held while folders in it appear and vanish


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """A new folder, removed at the end of the block.

    Args:
        place: Where it is made; None is where the system has temporary files.
    """
    place = Path(place or tempfile.gettempdir())
    # Without the guard a folder that has its name and not yet its lock looks abandoned, and one
    # that its owner is removing is made anew by whoever tries its lock.
    with _guard(place):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    try:
        yield folder
    finally:
        with _guard(place):
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def clear_abandoned(place: Path | None = None) -> list[Path]:
    """Removes the folders of processes that were killed, and no others.

    A folder whose lock is free has an owner that is dead, whatever number its process had: a number
    may be another process's by now, or one of another container's that has the same folder.

    Args:
        place: Where they were made; None is where the system has temporary files.

    Returns:
        What was removed.
    """
    place = Path(place or tempfile.gettempdir())
    with _guard(place):
        return [folder for folder in place.glob(f"{_PREFIX}*") if _clear(folder)]


def _guard(place: Path) -> FileLock:
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    return FileLock(place / _GUARD.format(user=user))


def _clear(folder: Path) -> bool:
    """Removes a folder of this user's whose owner is dead."""
    if not _is_ours(folder):
        return False
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False  # its owner works
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
    logger.info("removed %s, which a killed worker left", folder)
    return True


def _is_ours(folder: Path) -> bool:
    """Whether this user made it; a link that lies in wait there is none."""
    try:
        return (
            folder.is_dir()
            and not folder.is_symlink()
            and (not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid())
        )
    except OSError:
        return False
