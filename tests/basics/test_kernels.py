"""Kernels run without the GIL, are kept on disk where that is possible, and never out of date."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
from numpy.typing import NDArray

from basics.kernels import compilation_told, kernel
from tests.support.waiting import LIMIT_S, joined

ROOT = Path(__file__).resolve().parents[2]


@kernel
def _wait(raised: NDArray[np.int64], turns: NDArray[np.int64], limit: int) -> int:
    """Turns in place until somebody else raises the flag."""
    while raised[0] == 0 and turns[0] < limit:
        turns[0] += 1
    return int(turns[0])


@kernel(fastmath=True)
def _add(left: float, right: float) -> float:
    return left + right


def test_another_thread_runs_while_a_kernel_does() -> None:
    raised, turns = np.zeros(1, np.int64), np.zeros(1, np.int64)
    _wait(np.ones(1, np.int64), turns, 0)
    worker = threading.Thread(target=_wait, args=(raised, turns, 10**11))
    worker.start()
    while turns[0] == 0:
        pass
    raised[0] = 1  # reached only if the kernel that waits for it has let go of the GIL
    joined(worker)
    assert 0 < turns[0] < 10**11


def test_floating_point_is_reordered_only_where_that_is_asked_for() -> None:
    assert _add(1.0, 2.0) == 3.0
    assert _add.targetoptions["fastmath"]  # type: ignore[attr-defined]
    assert not _wait.targetoptions["fastmath"]  # type: ignore[attr-defined]


def _uncached(function: Callable[[float], float]) -> Callable[[float], float]:
    """A kernel that no start finds compiled: its code is of no file."""
    made = FunctionType(function.__code__.replace(co_filename="<test>"), function.__globals__)
    return kernel(made)


@_uncached
def _first(number: float) -> float:
    return number + 1


@_uncached
def _second(number: float) -> float:
    return number + 2


FILES = {
    "numbers_/__init__.py": "STEP = 1\n",
    "below/__init__.py": "",
    "below/inner.py": (
        "from basics.kernels import kernel\nfrom numbers_ import STEP\n\n"
        "@kernel\ndef inner(x):\n    return x + STEP\n"
    ),
    "above/__init__.py": "",
    "above/outer.py": (
        "from basics.kernels import kernel\nfrom below.inner import inner\n\n"
        "@kernel\ndef outer(x):\n    return middle(x) * 10\n\n"
        "@kernel\ndef middle(x):\n    return inner(x)\n"
    ),
}
MAIN = (
    "import logging; logging.basicConfig(level='WARNING')\n"
    "from above.outer import outer\n"
    "print(outer(1), sum(outer.stats.cache_hits.values()))\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two packages: a kernel of one calls, over a third kernel, one of the other."""
    folder = tmp_path / "packages"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(folder: Path, home: Path, **variables: str) -> tuple[str, str]:
    """What a new process computes and how often it found a kernel in the cache; what it logs."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))
    }
    environment |= {
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT_S,
    )
    return done.stdout.strip(), done.stderr


def test_a_second_start_finds_the_kernels_and_a_changed_callee_is_noticed(
    folder: Path, tmp_path: Path
) -> None:
    """The callee is two calls and one package away, where Numba by itself does not look."""
    assert run(folder, tmp_path)[0] == "20 0"
    assert run(folder, tmp_path)[0] == "20 1"
    inner = folder / "below" / "inner.py"
    inner.write_text(inner.read_text().replace("x + STEP", "x + STEP + 1"))
    assert run(folder, tmp_path)[0] == "30 0"


def test_a_constant_that_changed_in_another_file_is_noticed(folder: Path, tmp_path: Path) -> None:
    assert run(folder, tmp_path)[0] == "20 0"
    (folder / "numbers_" / "__init__.py").write_text("STEP = 3\n")
    assert run(folder, tmp_path)[0] == "40 0"


def test_a_package_that_cannot_be_written_to_is_cached_at_home_or_not_at_all(
    folder: Path, tmp_path: Path
) -> None:
    """Files stand where the folders would have to be made: that stops even root."""
    (folder / "above" / "__pycache__").touch()
    (folder / "below" / "__pycache__").touch()
    home = tmp_path / "home"
    home.mkdir()
    assert run(folder, home) == ("20 0", "")
    assert run(folder, home) == ("20 1", "")
    homeless = tmp_path / "homeless"
    homeless.touch()
    result, log = run(folder, homeless)
    assert result == "20 0"
    assert log.count("set NUMBA_CACHE_DIR to a writable folder") == 1


def test_a_compiler_that_is_turned_off_is_used_all_the_same(folder: Path, tmp_path: Path) -> None:
    """As Python, kernels end in an overflow of unsigned bytes."""
    result, log = run(folder, tmp_path, NUMBA_DISABLE_JIT="1")
    assert result == "20 0"
    assert log.count("kernels are compiled all the same") == 1


def test_the_first_compilation_is_told_and_no_later_one() -> None:
    told: list[str] = []
    with compilation_told(lambda: told.append("told")):
        assert _first(1.0) == 2.0
        assert told == ["told"]
        assert _second(1.0) == 3.0
        assert _first(1.0) == 2.0
    assert told == ["told"]


def test_every_kernel_of_the_project_is_compiled_this_way() -> None:
    """Numba's own decorators would bring stale caches back."""
    other = re.compile(r"@(numba\.)?(njit|jit|vectorize|guvectorize)\b|\bnjit\(")
    packages = [file.parent for file in ROOT.glob("*/py.typed")]
    files = [path for package in packages for path in package.rglob("*.py")]
    assert len(files) > 200
    found = [path for path in files if other.search(path.read_text(encoding="utf-8"))]
    assert found == [ROOT / "basics" / "kernels.py"]
