"""What a killed worker leaves goes when the next one begins, and nothing of the living does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from archive import Settings
from archive.scratch import clear_abandoned, scratch_folder
from tests.support.archive_clips import walkers_worker
from tests.support.commands import ENVIRONMENT, ROOT

_OWNER = """
import sys
from archive.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "out.mp4").write_bytes(b"half a video")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are, for this process and those that it starts."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def owner(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a scratch folder, and the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER],
        cwd=ROOT,
        env={**ENVIRONMENT, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def test_a_worker_clears_what_a_killed_one_left_and_nothing_of_others(temporary: Path) -> None:
    (temporary / "pose-archive-link").symlink_to(temporary)
    (temporary / "somebody-else").mkdir()
    with owner(temporary) as (process, left), scratch_folder() as ours:
        with walkers_worker(Settings(folder="memory://videos/people")):
            assert (left / "out.mp4").is_file() and ours.is_dir()
        process.kill()
        process.wait()
        with walkers_worker(Settings(folder="memory://videos/people")):
            assert not left.exists() and ours.is_dir()
    assert not ours.exists()
    assert sorted(path.name for path in temporary.glob("[!.]*")) == [
        "pose-archive-link",
        "somebody-else",
    ]


def test_folders_of_others_stay(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "getuid"):
        pytest.skip("needs users with numbers")
    (temporary / "pose-archive-other").mkdir()
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert clear_abandoned() == []
    monkeypatch.undo()
    assert clear_abandoned(temporary) == [temporary / "pose-archive-other"]


def test_who_begins_and_ends_while_others_clear_has_its_folder() -> None:
    """Between its name and its lock a folder looks as one of the dead, and while it is removed."""
    over = Event()

    def work(_: int) -> bool:
        with scratch_folder() as folder:
            (folder / "a").touch()
            return (folder / "a").is_file()

    def clear(_: int) -> list[Path]:
        removed = []
        while not over.is_set():
            removed += clear_abandoned()
        return removed

    with ThreadPoolExecutor(2) as cleaners, ThreadPoolExecutor(4) as owners:
        cleared = cleaners.map(clear, range(2))
        try:
            assert all(owners.map(work, range(200)))
        finally:
            over.set()
        assert list(cleared) == [[], []]
