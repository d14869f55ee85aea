"""What waits for others ends, and says what it waited for."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support import waiting
from tests.support.waiting import TooSlow, ended, joined, measured, until, within


def test_what_becomes_true_is_given() -> None:
    numbers = iter((0, 0, 7))
    assert until(lambda: next(numbers), "a number", pause_s=0) == 7


def test_what_never_happens_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LIMIT_S", 0.1)
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="camera")
    thread.start()
    code = "import sys, time; print('begun', file=sys.stderr, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True)
    with pytest.raises(AssertionError, match=r"after 0 s still not so: a frame comes"):
        until(lambda: False, "a frame comes")
    with pytest.raises(AssertionError, match=r"thread 'camera' has not ended"):
        joined(thread)
    with pytest.raises(AssertionError, match=r"had not ended after 0 s; it said"):
        ended(process)
    assert process.returncode
    stop.set()
    thread.join()


def test_a_bound_that_is_missed_once_is_tried_again_in_an_empty_folder(tmp_path: Path) -> None:
    spent_s = [0.05, 0.0]

    @measured
    def test(tmp_path: Path) -> None:
        assert not list(tmp_path.iterdir())
        (tmp_path / "file").touch()
        with within(0.04):
            time.sleep(spent_s.pop(0))

    test(tmp_path=tmp_path)
    assert spent_s == []


@pytest.mark.parametrize("error", [TooSlow, AssertionError])
def test_a_bound_that_is_always_missed_and_every_other_error_fails(
    error: type[AssertionError],
) -> None:
    tries = []

    @measured
    def test() -> None:
        tries.append(1)
        raise error("each time")

    with pytest.raises(error, match="each time"):
        test()
    assert (len(tries) > 1) == (error is TooSlow)
