"""Process number 1 of a container, without a container: a namespace of process numbers."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from basics.init_process import leave_init_to_parent
from tests.support.commands import ENVIRONMENT, ROOT, command, read_record
from tests.support.waiting import LIMIT_S, ended, until

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.fixture
def unshare() -> list[str]:
    """The beginning of a command line that gives what follows the number 1."""
    if shutil.which("unshare") is None:
        pytest.skip("needs the unshare command of util-linux")
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"may not make a namespace of process numbers here: {tried.stderr.strip()}")
    return UNSHARE


def script(text: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(text)]


def children(process: int) -> list[int]:
    return [
        int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def test_other_processes_stay_what_they_are() -> None:
    number = os.getpid()
    leave_init_to_parent()
    assert os.getpid() == number


def test_orphans_are_buried_and_the_code_is_that_of_the_program(unshare: list[str]) -> None:
    program = f"""
        import os, subprocess, sys, time
        from pathlib import Path
        from basics.init_process import leave_init_to_parent

        leave_init_to_parent()
        assert (os.getpid(), os.getppid()) == (2, 1)
        orphan = int(subprocess.check_output(["sh", "-c", "true & echo $!"]))
        end_s = time.monotonic() + {LIMIT_S}
        while Path(f"/proc/{{orphan}}").exists():
            assert time.monotonic() < end_s, Path(f"/proc/{{orphan}}/stat").read_text()
            time.sleep(0.01)
        sys.exit(7)
    """
    found = subprocess.run(
        [*unshare, *script(program)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (7, "")


def test_without_it_orphans_stay_zombies(unshare: list[str]) -> None:
    """What the test before would see if nobody buried them."""
    program = f"""
        import os, subprocess, time
        from pathlib import Path

        orphan = int(subprocess.check_output(["sh", "-c", "sleep 0.1 & echo $!"]))
        end_s = time.monotonic() + {LIMIT_S}
        while ") Z " not in Path(f"/proc/{{orphan}}/stat").read_text():
            assert time.monotonic() < end_s, "it has not ended"
            time.sleep(0.01)
        time.sleep(0.2)
        assert ") Z " in Path(f"/proc/{{orphan}}/stat").read_text()
    """
    subprocess.run([*unshare, *script(program)], cwd=ROOT, check=True)


def test_a_stop_of_a_container_finishes_the_outputs(unshare: list[str], tmp_path: Path) -> None:
    record = tmp_path / "people.jsonl"
    process = subprocess.Popen(
        [*unshare, *command("test", "-o", record, engine="blank")],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(
            lambda: record.exists() and len(record.read_text().splitlines()) > 5,
            "frames are written",
        )
        (first,) = children(process.pid)
        os.kill(first, signal.SIGTERM)
        output, errors = ended(process)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, errors) == (143, "")
    assert "frames in" in output
    assert len(read_record(record)[1]) > 4


def test_a_program_that_is_killed_has_the_code_of_its_signal(unshare: list[str]) -> None:
    program = """
        import os, signal
        from basics.init_process import leave_init_to_parent

        leave_init_to_parent()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    found = subprocess.run([*unshare, *script(program)], cwd=ROOT, check=False)
    assert found.returncode == 128 + signal.SIGKILL


def test_ctrl_c_at_a_terminal_is_one_signal_and_not_two(unshare: list[str]) -> None:
    program = """
        import time
        from basics.init_process import leave_init_to_parent
        from basics.signals import StopSignals

        leave_init_to_parent()
        with StopSignals(on_stop=lambda: None) as signals:
            print("ready", flush=True)
            while signals.received is None:
                time.sleep(0.01)
            time.sleep(0.3)  # the second of two would end the process here
        print("finished", flush=True)
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        words = [*unshare, *script(program)]
        os.execvpe(words[0], words, {**os.environ, **ENVIRONMENT})
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    try:
        while more := os.read(terminal, 1024):
            said += more
    except OSError:  # how Linux says that nobody has the terminal any more
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"finished" in said
