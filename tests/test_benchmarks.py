"""Every benchmark starts, as its documentation says; tests do not lean on benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import imports

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = sorted(
    path for path in (ROOT / "benchmarks").glob("*.py") if "def main()" in path.read_text("utf-8")
)


# Each in a process of its own, which has what most of them import already: 0.2 instead of 1 to 2 s.
_START_EACH = """
import os, runpy, sys, traceback

import torch
import higherhrnet_stream

for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        code = 1
        sys.argv[1:] = ["--help"]
        try:
            runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)  # to take torch apart would be half a second
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
"""


def test_every_benchmark_starts_as_a_module() -> None:
    names = [path.stem for path in BENCHMARKS]
    command = [sys.executable, "-c", _START_EACH, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [f"{name} 0" for name in names]
    assert done.stdout.count("usage: ") == len(names)


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_says_that_it_is_a_module(path: Path) -> None:
    assert f"python -m benchmarks.{path.stem}" in path.read_text("utf-8")
    assert "python benchmarks/" not in path.read_text("utf-8")


def test_there_are_benchmarks() -> None:
    assert len(BENCHMARKS) >= 8


def test_tests_use_no_benchmark_and_packages_use_neither() -> None:
    tests = sorted((ROOT / "tests").rglob("*.py"))
    packages = [path for typed in ROOT.glob("*/py.typed") for path in typed.parent.rglob("*.py")]
    assert len(packages) > 200
    assert not [path for path in tests if "benchmarks" in imports(path)]
    assert not [path for path in packages if imports(path) & {"benchmarks", "tests"}]
