"""The way to a streaming server that may vanish, refuse, or never answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from enum import IntEnum
from pathlib import Path

from stream.sinks.containers import OUTPUT_ERRORS, CheckedContainer

_PROCESS = Path(__file__).with_name("relay_process.py")
# How the process ends then, without a word: by a signal, and on Windows by faulthandler.
_NO_ANSWER = (-getattr(signal, "SIGALRM", 0), 1)
_PATIENCE_S = 10  # a server that does not answer, or takes nothing, for this long is gone
_START_S = 10.0  # for the process to begin; on a busy machine Python alone takes seconds


class _Step(IntEnum):
    """How far the process is."""

    STARTS = 0
    STARTED = 1
    CONNECTED = 2
    GONE = 3


class Relay:
    """A stream to a server through a process of its own. Owned by one thread, except for `kill`.

    PyAV holds the interpreter while it connects to a server, and FFmpeg's RTMP has no time-out for
    that: a server that accepts and never answers would stop the whole program, Ctrl-C included.
    Here it stops a process that can be killed.

    Args:
        target: Address of the server.
        container_format: FFmpeg's name of the format.
        options: Options of FFmpeg's muxer and protocol.

    Attributes:
        container: Takes the streams, and after `start` their packets; raises OSError when the
            process is gone.
        reason: After `close`, why the stream was lost; empty where it was not.
    """

    def __init__(self, target: str, container_format: str, options: dict[str, str]) -> None:
        self.reason = ""
        self._killed: _Step | None = None  # how far it was then
        self._step, self._later = _Step.STARTS, threading.Condition()
        self._connected = False
        self._told = 0  # lines of the process
        self._start_until_s = time.monotonic() + _START_S
        self._process = subprocess.Popen(
            [sys.executable, str(_PROCESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C in a terminal would end it while it starts
        )
        self._listener = threading.Thread(target=self._listen, name="relay", daemon=True)
        self._listener.start()
        assert self._process.stdin is not None
        # Not as arguments: everybody on the machine can see those, and the address may have a
        # password in it.
        order = {
            "target": target,
            "format": container_format,
            "options": options,
            "patience_s": _PATIENCE_S,
        }
        with contextlib.suppress(OSError):  # it has ended, which the header will find out
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self.container = CheckedContainer(
            os.dup(self._process.stdin.fileno()), "nut", {"flush_packets": "1"}
        )
        self._process.stdin.close()

    def start(self) -> None:
        """Writes the header; the streams are known."""
        self.container.start_encoding()

    @property
    def connected(self) -> bool:
        """Whether the server has taken the stream."""
        return self._connected

    @property
    def progress(self) -> int:
        """Something that changes with each step to the server, and while it takes the stream."""
        return self._told

    def close(self) -> None:
        """Ends the stream and waits until the server has all of it, for as long as it takes
        something of it every 10 s; `kill` ends the wait. May be called twice.
        """
        with contextlib.suppress(*OUTPUT_ERRORS):  # the process is gone, and says why
            self.container.close()
        errors = self._process.stderr
        if errors is None or errors.closed:
            return
        if not self._ends():
            self.kill()
        self._process.wait()
        self._listener.join()
        reason = errors.read().decode(errors="replace").strip()
        errors.close()
        if not self._process.returncode:
            return
        if self._killed is _Step.STARTS:
            self.reason = "the process that sends it did not start in time"
        elif self._killed is not None:
            self.reason = "no answer until the end"
        elif self._process.returncode in _NO_ANSWER and not reason:
            self.reason = f"no answer within {_PATIENCE_S} s"
        else:
            self.reason = reason or "the stream broke off"

    def kill(self) -> None:
        """Ends it at once, whatever it waits for. For any thread."""
        self._killed = self._step
        self._process.kill()

    def _ends(self) -> bool:
        """Whether the process ends by itself, or is killed, and is heard of until then."""
        while self._step is not _Step.GONE:
            # Once it has started it ends itself where nothing moves: then this is for one that
            # cannot.
            starts = self._step is _Step.STARTS
            until_s = self._start_until_s if starts else time.monotonic() + _PATIENCE_S + _START_S
            if not self._is_heard(max(0.0, until_s - time.monotonic())):
                return False
        return True

    def _is_heard(self, limit_s: float) -> bool:
        with self._later:
            told = self._told
            return self._step is _Step.GONE or self._later.wait_for(
                lambda: self._told > told, limit_s
            )

    def _reach(self, step: _Step) -> None:
        with self._later:
            self._step = step
            self._told += 1
            self._later.notify_all()

    def _listen(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            for line in output:
                if line == b"started\n":
                    self._reach(_Step.STARTED)
                elif line == b"connected\n":
                    self._connected = True
                    self._reach(_Step.CONNECTED)
                else:
                    self._reach(self._step)
        self._reach(_Step.GONE)
