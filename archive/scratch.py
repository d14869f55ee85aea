"""Folders for what is not complete yet, which are not left behind by whoever is killed."""

from __future__ import annotations

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


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """A new folder, removed at the end of the block.

    Args:
        place: Where it is made; None is where the system has temporary files.
    """
    folder, lock = _make(place)
    try:
        yield folder
    finally:
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
    removed = []
    for folder in Path(place or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not _is_ours(folder):
            continue
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue  # its owner works, or has just removed it
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()
        logger.info("removed %s, which a killed worker left", folder)
        removed.append(folder)
    return removed


def _make(place: Path | None) -> tuple[Path, FileLock]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, FileNotFoundError):
            continue  # somebody who clears was here before the lock was
        if folder.is_dir():
            return folder, lock
        lock.release()


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
