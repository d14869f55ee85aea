"""Ctrl-C at every stage of a program's life; each case is a process that signals itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import LIMIT_S

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("archive", "engine", "evaluation", "synthetic", "training")
BEGIN = """
import atexit, os, signal, sys
from basics.program import run_program

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
"""


def run(folder: Path, *, package: str = "", program: str) -> tuple[int, str]:
    """Exit code and standard error of `python -m PACKAGE`, where the package is `tried`."""
    (folder / "tried").mkdir()
    (folder / "tried" / "__init__.py").write_text(package)
    (folder / "tried" / "__main__.py").write_text(BEGIN + program)
    done = subprocess.run(
        [sys.executable, "-m", "tried"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stderr


def test_ctrl_c_while_the_package_is_imported_ends_it_quietly(tmp_path: Path) -> None:
    package = (
        "from basics.quiet_start import leave_quietly\nleave_quietly(__name__)\n"
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nfor _ in range(1000): pass\n"
    )
    assert run(tmp_path, package=package, program="sys.exit(3)") == (130, "")


def test_whoever_imports_the_package_keeps_its_signals(tmp_path: Path) -> None:
    program = (
        "from basics.quiet_start import leave_quietly\nleave_quietly('tried')\n"
        "sys.exit(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)"
    )
    assert run(tmp_path, program=program) == (0, "")


def test_what_a_string_runs_may_be_interrupted(tmp_path: Path) -> None:
    """`python -m` ended by the signal then, instead of with the exit code."""
    program = "sys.exit(run_program(lambda: exec('interrupt()') or 3))"
    assert run(tmp_path, program=program) == (130, "")


def test_the_second_one_leaves_in_the_middle_of_what_the_first_began(tmp_path: Path) -> None:
    program = """
def main():
    try:
        interrupt()
    finally:
        interrupt()
        print("never", file=sys.stderr)
sys.exit(run_program(main))
"""
    assert run(tmp_path, program=program) == (130, "")


@pytest.mark.parametrize("code", [0, 2])
def test_while_the_interpreter_ends_it_changes_nothing(tmp_path: Path, code: int) -> None:
    program = f"""
class Late:
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.SIGINT):
        kill(process, number)  # handlers written in Python are gone by now

late = Late()
atexit.register(interrupt)
sys.exit(run_program(lambda: {code}))
"""
    assert run(tmp_path, program=program) == (code, "")


def test_where_ctrl_c_is_ignored_it_stays_so(tmp_path: Path) -> None:
    program = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sys.exit(run_program(lambda: interrupt() or 3))"
    )
    assert run(tmp_path, program=program) == (3, "")


def test_what_a_terminal_has_no_sign_for_can_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # as of most languages' settings
    program = "sys.exit(run_program(lambda: print('a\\udcff.mp4') or 3))"
    assert run(tmp_path, program=program) == (3, "")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_begins_and_ends_so(name: str) -> None:
    begin = (ROOT / name / "__init__.py").read_text().split('"""', 2)[2]
    code = begin.replace("from __future__ import annotations", "").lstrip()
    assert code.startswith(
        "from basics.quiet_start import leave_quietly\n\nleave_quietly(__name__)"
    )
    assert "sys.exit(run_program(main))" in (ROOT / name / "__main__.py").read_text()


def test_there_are_no_other_programs() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__main__.py")}
    assert found == set(PROGRAMS)
