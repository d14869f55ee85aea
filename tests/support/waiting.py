"""Waiting for what is expected to happen, and bounds of seconds, on machines of any speed.

A machine that runs tests may be slow, starved, or stand still for seconds. What must happen is
waited for with one generous limit, which only a fault reaches. Where a time is itself what is
promised, a test is `measured`: it may be repeated, because one run within the bound shows what the
program can do, and a machine that stood still shows nothing.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, AnyStr, ParamSpec, TypeVar

LIMIT_S = 240.0
_TRIES = 6

T = TypeVar("T")
P = ParamSpec("P")


def until(condition: Callable[[], T], what: str, *, pause_s: float = 0.02) -> T:
    """What `condition` gives as soon as that is true; a failure that names `what` was awaited
    after `LIMIT_S`.
    """
    end_s = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < end_s, f"after {LIMIT_S:.0f} s still not so: {what}"
        time.sleep(pause_s)
    return found


def happened(event: threading.Event, what: str) -> None:
    """Waits for an event that somebody else sets."""
    assert event.wait(LIMIT_S), f"after {LIMIT_S:.0f} s still not so: {what}"


def joined(*threads: threading.Thread) -> None:
    """Waits until all of them have ended."""
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive(), f"thread '{thread.name}' has not ended in {LIMIT_S:.0f} s"


def ended(process: subprocess.Popen[AnyStr]) -> tuple[AnyStr, AnyStr]:
    """Waits until the process has ended; what it said on standard output and standard error.

    One that does not end is killed, and the failure has what it said.
    """
    try:
        return process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(
            f"{process.args!r} had not ended after {LIMIT_S:.0f} s; it said {output!r}, {errors!r}"
        ) from None


class TooSlow(AssertionError):
    """A bound of seconds was missed, by the program or by the machine."""


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Raises TooSlow if the block takes longer; for tests that are `measured`."""
    begin_s = time.monotonic()
    yield
    spent_s = time.monotonic() - begin_s
    if spent_s >= limit_s:
        raise TooSlow(f"took {spent_s:.2f} s, and may take {limit_s:g} s")


def met(so: bool, bound: str) -> None:
    """Raises TooSlow unless a bound of time was met; for tests that are `measured`."""
    if not so:
        raise TooSlow(f"not so: {bound}")


def measured(test: Callable[P, None]) -> Callable[P, None]:
    """Runs a test again where it raised TooSlow, and nothing else; a program that is too slow is so
    each time.

    Its temporary folder is emptied, and the log forgotten, before each.
    """

    @functools.wraps(test)
    def repeated(*arguments: P.args, **fixtures: P.kwargs) -> None:
        for _ in range(_TRIES - 1):
            try:
                test(*arguments, **fixtures)
            except TooSlow:
                _as_before(fixtures)
            else:
                return
        test(*arguments, **fixtures)

    return repeated


def _as_before(fixtures: dict[str, Any]) -> None:
    folder, log = fixtures.get("tmp_path"), fixtures.get("caplog")
    if isinstance(folder, Path):
        shutil.rmtree(folder)
        folder.mkdir()
    if log is not None:
        log.clear()
