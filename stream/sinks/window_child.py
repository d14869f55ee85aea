"""A process of its own that has a window; started by `stream.sinks.window_process`, and by its
path.

Standard input: a line of JSON (`title`, `width`, `height` of the window), then images: width and
height as two little-endian 32-bit numbers, then BGR. Standard output, a line each: `ready`, or
`cannot REASON`; `shown` after each image; `key CODE`; `closed` when somebody closed the window. It
ends with its input.
"""

from __future__ import annotations

import json
import queue
import signal
import struct
import sys
import threading
from io import BufferedReader
from typing import Any

import cv2
import numpy as np

_SIZE = struct.Struct("<II")
_IDLE_S = 0.02  # between looks at keys and mouse while no image comes
_NO_KEY = -1


def main() -> int:
    # Ctrl-C reaches the whole group; the end of the input ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = open(0, "rb", closefd=False)  # noqa: SIM115 - of the process
    order = json.loads(source.readline())
    title: str = order["title"]
    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    except cv2.error as error:
        _say(f"cannot {str(error).strip().splitlines()[-1]}")
        return 1
    cv2.resizeWindow(title, order["width"], order["height"])
    _say("ready")
    images: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # Windows live in the main thread, on macOS at least, and have to be looked after all the time.
    threading.Thread(target=_read, args=(source, images), daemon=True).start()
    while True:
        try:
            image = images.get(timeout=_IDLE_S)
        except queue.Empty:
            _handle_events(title)
            continue
        if image is None:
            break
        cv2.imshow(title, image)
        _handle_events(title)
        _say("shown")
    cv2.destroyAllWindows()
    return 0


def _handle_events(title: str) -> None:
    key = cv2.waitKey(1)
    if key != _NO_KEY:
        _say(f"key {key & 0xFF}")
    if cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
        _say("closed")


def _read(source: BufferedReader, images: queue.SimpleQueue[Any]) -> None:
    """Images until the input ends, and then None."""
    while len(size := source.read(_SIZE.size)) == _SIZE.size:
        width, height = _SIZE.unpack(size)
        image = np.empty((height, width, 3), np.uint8)
        if _fill(source, image.data.cast("B")):
            images.put(image)
    images.put(None)


def _fill(source: BufferedReader, target: memoryview) -> bool:
    """Reads as much as `target` holds; whether there was so much."""
    done = 0
    while done < len(target):
        count = source.readinto(target[done:])
        if not count:
            return False
        done += count
    return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # nobody listens any more
        sys.exit(1)
