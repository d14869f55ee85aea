"""A window in a process of its own: images in, keys out."""

from __future__ import annotations

import contextlib
import json
import queue
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHILD = Path(__file__).with_name("window_child.py")
_SIZE = struct.Struct("<II")
_FINISH_S = 1.0
READY, SHOWN, CLOSED = "ready", "shown", "closed"


class WindowProcess:
    """A window that can be lost. Owned by one thread.

    What shows windows ends the process whose display is gone: Qt and Xlib call `exit`, and Qt calls
    `abort` where it cannot connect in the first place. Neither can be forbidden or survived, so
    that it happens in a process which has nothing to lose. macOS wants windows in a main thread,
    which that process has, too.

    Args:
        title: Of the window.
        width: Of the window, in pixels.
        height: Likewise.

    Attributes:
        busy: Whether an image was sent that is not shown yet.
        sent_s: `time.monotonic()` when the last one was.
    """

    def __init__(self, title: str, width: int, height: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Qt tells of fonts and plug-ins there
            start_new_session=True,  # Ctrl-C is for us: we end it when we are done
        )
        self._events: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="window", daemon=True)
        self._reader.start()
        self.busy = False
        self.sent_s = 0.0
        shown = title.encode("utf-8", "replace").decode()  # a file's name need not be UTF-8
        order = {"title": shown, "width": width, "height": height}
        with contextlib.suppress(OSError):  # it has ended, which `take` says
            self._input.write(json.dumps(order).encode() + b"\n")
            self._input.flush()

    def send(self, image: NDArray[np.uint8]) -> None:
        """Hands over an image (H, W, 3) uint8 BGR, which is copied; none may be on its way."""
        self.busy = True
        self.sent_s = time.monotonic()
        with contextlib.suppress(OSError):
            self._input.write(_SIZE.pack(image.shape[1], image.shape[0]))
            self._input.write(np.ascontiguousarray(image).data.cast("B"))
            self._input.flush()

    def take(self, timeout_s: float) -> str | None:
        """What the window says next: READY, "cannot REASON", SHOWN, "key CODE", CLOSED; None when
        the process has ended.

        Args:
            timeout_s: How long it is waited for.

        Raises:
            queue.Empty: Nothing came within that time.
        """
        event = self._events.get(timeout=timeout_s) if timeout_s > 0 else self._events.get_nowait()
        if event == SHOWN:
            self.busy = False
        return event

    def close(self) -> None:
        """Closes the window and ends the process; a second call does nothing."""
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(_FINISH_S)
        except subprocess.TimeoutExpired:  # it waits for a display that does not answer
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def _input(self) -> Any:
        return self._process.stdin

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._events.put(line.decode(errors="replace").strip())
        self._events.put(None)
