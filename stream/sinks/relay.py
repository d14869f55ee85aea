"""The way to a streaming server that may vanish, refuse, or never answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from stream.sinks.containers import OUTPUT_ERRORS, CheckedContainer

_PROCESS = Path(__file__).with_name("relay_process.py")
# How the process ends then, without a word: by a signal, and on Windows by faulthandler.
_NO_ANSWER = (-getattr(signal, "SIGALRM", 0), 1)
_PATIENCE_S = 10  # a server that does not answer, or takes nothing, for this long is gone
_FINISH_S = (
    1.2  # for the last packets and the farewell; Ctrl-C promises to be done within two seconds
)


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
        self._killed = False
        self._connected = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, str(_PROCESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
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
        return self._connected.is_set()

    def close(self) -> None:
        """Ends the stream and waits until the server has all of it, 1.2 s at most. May be called
        twice.
        """
        with contextlib.suppress(*OUTPUT_ERRORS):  # the process is gone, and says why
            self.container.close()
        errors = self._process.stderr
        if errors is None or errors.closed:
            return
        try:
            self._process.wait(_FINISH_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._listener.join()
        reason = errors.read().decode(errors="replace").strip()
        errors.close()
        if self._killed:
            self.reason = "no answer until the end"
        elif self._process.returncode in _NO_ANSWER and not reason:
            self.reason = f"no answer within {_PATIENCE_S} s"
        elif self._process.returncode:
            self.reason = reason or "the stream broke off"

    def kill(self) -> None:
        """Ends it at once, whatever it waits for. For any thread."""
        self._killed = True
        self._process.kill()

    def _listen(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            if b"connected" in output.readline():
                self._connected.set()
