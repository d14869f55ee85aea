"""One signal asks, two end; each case is a process of its own that signals itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from basics.signals import StopSignals
from tests.support.waiting import LIMIT_S, joined

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "import os, signal; from basics.signals import StopSignals\n"
SEND = "os.kill(os.getpid(), signal.{name})\n"


def run(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + body],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_first_signal_asks_and_the_second_leaves_at_once(name: str) -> None:
    send = "    " + SEND.format(name=name)
    done = run(
        f"with StopSignals(lambda: print('asked', flush=True)) as signals:\n{send}"
        f"    print(signals.received, signals.exit_code, flush=True)\n{send}    print('never')\n"
    )
    number = signal.Signals[name].value
    assert done.stdout == f"asked\n{number} {128 + number}\n"
    assert done.returncode == 128 + number


def test_with_nothing_to_finish_the_first_signal_interrupts() -> None:
    done = run(
        f"try:\n    with StopSignals() as signals:\n        {SEND.format(name='SIGTERM')}"
        "except KeyboardInterrupt:\n    print('interrupted', signals.exit_code)\n"
    )
    assert done.stdout == "interrupted 143\n"


def test_the_second_signal_may_act_as_it_did_before() -> None:
    send = SEND.format(name="SIGINT")
    done = run(
        "try:\n    with StopSignals(lambda: None, leave_at_once=False) as signals:\n"
        f"        {send}        print('asked', signals.received)\n        {send}"
        "except KeyboardInterrupt:\n    print('cleaned up')\n"
    )
    assert done.stdout == "asked 2\ncleaned up\n"
    assert done.returncode == 0


def test_afterwards_signals_act_as_they_did_before() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignals(lambda: None):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_in_another_thread_nothing_is_changed() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def enter() -> None:
        with StopSignals(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    joined(thread)
    assert seen == [before]


def test_a_process_that_was_forked_meanwhile_ends_as_if_nobody_listened() -> None:
    """OpenVINO's telemetry runs in such a one, and is ended with SIGTERM."""
    program = """
import os, signal, time
from basics.signals import StopSignals

with StopSignals() as signals:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"1")  # a signal that comes inside of fork is lost
        for _ in range(6000):  # a signal that comes just before a sleep is seen after it
            time.sleep(0.05)
        os._exit(0)
    os.read(reader, 1)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert signals.received is None
"""
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_an_import_comes_to_its_end_before_it_is_interrupted(tmp_path: Path) -> None:
    """Native modules that are torn apart while they are loaded crash: onnx did, in one of six."""
    interrupt = SEND.format(name="SIGINT")
    (tmp_path / "outer.py").write_text("import inner\nprint('outer')\n")
    (tmp_path / "inner.py").write_text(
        f"import os, signal\n{interrupt}for _ in range(1000): pass\nprint('inner')\n"
    )
    done = run(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n    with StopSignals():\n        import outer\n        print('never')\n"
        "except KeyboardInterrupt:\n    print('interrupted', sys.getprofile())\n"
    )
    assert done.stdout == "inner\nouter\ninterrupted None\n"
