"""The way to a streaming server that may vanish, refuse, or never answer."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av

from stream.sinks.containers import OUTPUT_ERRORS

_PROCESS = Path(__file__).with_name("relay_process.py")
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
        self._told = b""
        self._input, output = os.pipe()[::-1]
        try:
            self._process = subprocess.Popen(
                [sys.executable, str(_PROCESS)],
                stdin=output,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        finally:
            os.close(output)
        # Not as arguments: everybody on the machine can see those, and the address may have a
        # password in it.
        order = {
            "target": target,
            "format": container_format,
            "options": options,
            "patience_s": _PATIENCE_S,
        }
        os.write(self._input, json.dumps(order).encode() + b"\n")
        self.container: Any = av.open(
            f"pipe:{self._input}", "w", format="nut", options={"flush_packets": "1"}
        )

    def start(self) -> None:
        """Writes the header; the streams are known."""
        self.container.start_encoding()
        self._close_input()  # FFmpeg has a copy, and the stream ends when that is closed

    @property
    def connected(self) -> bool:
        """Whether the server has taken the stream."""
        output = self._process.stdout
        while (
            output is not None
            and not output.closed
            and b"\n" not in self._told
            and select.select([output], [], [], 0)[0]
        ):
            told = os.read(output.fileno(), 64)
            if not told:
                break
            self._told += told
        return b"connected" in self._told

    def close(self) -> None:
        """Ends the stream and waits until the server has all of it, 1.2 s at most. May be called
        twice.
        """
        with contextlib.suppress(*OUTPUT_ERRORS):  # the process is gone, and says why
            self.container.close()
        self._close_input()
        if self._process.stderr is None or self._process.stderr.closed:
            return
        try:
            told, reason = self._process.communicate(timeout=_FINISH_S)
        except subprocess.TimeoutExpired:
            self.kill()
            told, reason = self._process.communicate()
        self._told += told
        if self._process.returncode == -signal.SIGALRM:
            self.reason = f"no answer within {_PATIENCE_S} s"
        elif self._process.returncode == -signal.SIGKILL:
            self.reason = "no answer until the end"
        elif self._process.returncode:
            self.reason = reason.decode(errors="replace").strip() or "the stream broke off"

    def kill(self) -> None:
        """Ends it at once, whatever it waits for. For any thread."""
        self._process.kill()

    def _close_input(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1
