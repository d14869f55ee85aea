"""Kernels run without the GIL, are kept on disk where that is possible, and are never out of date."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

import grouping
from benchmarks.grouping import draw_maps
from grouping import (
    Grouper,
    adjustment,
    assignment,
    candidates,
    matching,
    peaks,
    refinement,
    suppression,
    tiles,
)
from grouping.kernels import kernel
from tests.grouping.support import assert_same_people

MODULES = (adjustment, assignment, candidates, matching, peaks, refinement, suppression, tiles)
ROOM = Path(grouping.__file__).parent


@kernel
def _wait(raised: NDArray[np.int64], turns: NDArray[np.int64], limit: int) -> int:
    """Turns in place until somebody else raises the flag."""
    while raised[0] == 0 and turns[0] < limit:
        turns[0] += 1
    return int(turns[0])


def test_another_thread_runs_while_a_kernel_does() -> None:
    raised, turns = np.zeros(1, np.int64), np.zeros(1, np.int64)
    _wait(np.ones(1, np.int64), turns, 0)
    worker = threading.Thread(target=_wait, args=(raised, turns, 10**11))
    worker.start()
    while turns[0] == 0:
        pass
    raised[0] = 1  # reached only if the kernel that waits for it has let go of the GIL
    worker.join(timeout=60)
    assert not worker.is_alive()
    assert 0 < turns[0] < 10**11


def test_every_kernel_of_the_room_is_made_that_way() -> None:
    dispatchers = [
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    ]
    assert len({dispatcher.__name__ for dispatcher in dispatchers}) > 15
    for dispatcher in dispatchers:
        assert dispatcher.targetoptions["nogil"] is True
        assert not dispatcher.targetoptions.get("fastmath")


def test_two_threads_with_a_grouper_each_do_not_disturb_each_other() -> None:
    frames = [
        draw_maps(np.random.default_rng(seed), 6, 96, 128, tag_length=2, stray=2)
        for seed in range(8)
    ]
    expected = [Grouper()(*frame) for frame in frames]
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            own = Grouper()
            for turn in range(40):
                number = (first + turn) % len(frames)
                assert_same_people(own(*frames[number]), expected[number])
        except BaseException as error:  # noqa: BLE001 - reported by the main thread
            failures.append(error)

    workers = [threading.Thread(target=work, args=(first,)) for first in (0, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert not failures


INNER = "from room.kernels import kernel\n\n@kernel\ndef inner(x):\n    return x + {step}\n"
OUTER = "from room.kernels import kernel\nfrom room.inner import inner\n\n@kernel\ndef outer(x):\n    return inner(x) * 10\n"
MAIN = (
    "import logging; logging.basicConfig(level='WARNING')\n"
    "from room.outer import outer\n"
    "print(outer(1), sum(outer.stats.cache_hits.values()))\n"
)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A package with one kernel that calls another, and this room's way of compiling them."""
    folder = tmp_path / "room"
    folder.mkdir()
    shutil.copy(ROOM / "kernels.py", folder)
    (folder / "__init__.py").touch()
    (folder / "inner.py").write_text(INNER.format(step=1))
    (folder / "outer.py").write_text(OUTER)
    return folder


def run(room: Path, home: Path) -> tuple[str, str]:
    """What a new process computes and how often it found a kernel in the cache; what it logs."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))
    }
    environment |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        cwd=room.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip(), done.stderr


def test_a_second_start_finds_the_kernels_and_a_changed_callee_is_noticed(
    room: Path, tmp_path: Path
) -> None:
    assert run(room, tmp_path)[0] == "20 0"
    assert run(room, tmp_path)[0] == "20 1"
    (room / "inner.py").write_text(INNER.format(step=2))
    assert run(room, tmp_path)[0] == "30 0"


def test_a_package_that_cannot_be_written_to_is_cached_at_home_or_not_at_all(
    room: Path, tmp_path: Path
) -> None:
    """Files stand where the folders would have to be made: that stops even root."""
    (room / "__pycache__").touch()
    home = tmp_path / "home"
    home.mkdir()
    assert run(room, home) == ("20 0", "")
    assert run(room, home) == ("20 1", "")
    homeless = tmp_path / "homeless"
    homeless.touch()
    result, log = run(room, homeless)
    assert result == "20 0"
    assert "set NUMBA_CACHE_DIR to a writable folder" in log
