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


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_starts_as_a_module_and_says_so(path: Path) -> None:
    command = [sys.executable, "-m", f"benchmarks.{path.stem}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
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
