"""A window that shows the annotated images, with keys."""

from __future__ import annotations

import logging
import os
import queue
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.atomic import unused_path, write_error
from configs.errors import SinkError
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.render.config import Overlay
from stream.sinks.base import NEWS, Controls, RunInfo
from stream.sinks.window_process import CLOSED, READY, WindowProcess

logger = logging.getLogger(__name__)

KEYS = (
    "space pause, . step, s screenshot, k skeletons, b boxes, i numbers, t trails, h heatmaps, "
    "g tags, l status line, q quit"
)
OVERLAY_KEYS: dict[str, Overlay] = {
    "k": "skeletons",
    "b": "boxes",
    "i": "ids",
    "t": "trails",
    "h": "heatmaps",
    "g": "tags",
    "l": "status",
}
_QUIT = (ord("q"), 27)
_POLL_S = 0.03
_START_S = 20.0  # for OpenCV to be imported and the display to answer
_SILENT_S = 10.0  # a display that shows nothing for so long has gone
_LARGEST = (1600, 900)  # width, height: a 4K source must not cover the desktop


class WindowSink:
    """Shows the images in a window called `title`, or after the source. Without a display it is
    off, said aloud.

    A paused window makes `write` wait, so that a file stops; of a live source, whose recordings
    must not wait for anybody, it keeps the image that it has. A single picture is shown until
    somebody has seen it. Closing the window ends the run, as `q`. A display that is lost while it
    runs is this sink's failure alone; for a live source the window opens again when there is one.

    Attributes:
        label: What messages call it.
        resumable: Whether it may be written to again where that failed.
        paused: Whether a key has stopped it.
    """

    needs_image = True
    resumable = True

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._controls: Controls | None = None
        self._window: WindowProcess | None = None
        self._ready = False  # it has said so
        self._on = False
        self.paused = False
        self._steps = 0  # asked for and not gone yet
        self._kept: tuple[NDArray[np.uint8], int] | None = None  # paused of a live source
        self._size = (0, 0)

    @property
    def label(self) -> str:
        return f"window {self._title!r}"

    def attach(self, controls: Controls) -> None:
        """Takes what the keys act on; without it they only pause, step, take screenshots and close
        the window.
        """
        self._controls = controls

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Opens the window, unless there is no display or this OpenCV has no windows."""
        self._title = self._title or f"{source.name} - {run.model}"
        self._name = Path(source.name.rstrip("/")).stem or "stream"
        self._live = source.live
        if not has_display():
            self.needs_image = False
            logger.warning(
                "no window: there is no display (DISPLAY and WAYLAND_DISPLAY are not set)"
            )
            return
        scale = min(1.0, _LARGEST[0] / source.width, _LARGEST[1] / source.height)
        self._size = round(source.width * scale), round(source.height * scale)
        self._window = WindowProcess(self._title, *self._size)
        try:
            event = self._window.take(_START_S)
        except queue.Empty:
            event = None
        if event != READY:
            self.needs_image = False
            self.close()
            reason = (
                f"{_display()} does not answer"
                if event is None
                else f"this OpenCV cannot open one ({event.partition(' ')[2]})"
            )
            logger.warning("no window: %s", reason)
            return
        self._on = self._ready = True
        if source.frame_count == 1 and not source.live:
            self.paused = True  # it would be gone before anybody has seen it
            logger.warning("the window stays until it is closed, or q is pressed", extra=NEWS)
        logger.info("keys of the window: %s", KEYS)

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Shows `image` and does what keys ask for; waits while the window of a file is paused,
        unless the run is ending.

        Raises:
            SinkError: The display is gone.
        """
        if not self._on or image is None:
            return
        window = self._window or self._open_again()
        while self._on and (not self._ready or window.busy) and not self._stopping():
            # A live source does not wait for a display.
            if not self._look(window, 0.0 if self._live else _POLL_S, image, frame.index):
                if not self._ready:
                    raise SinkError(f"no {self.label} yet: {_display()} is asked again")
                if self._live:
                    return
        if self._kept is not None:
            while self._on and self._look(window, 0.0, *self._kept):
                pass
            if self.paused and not self._steps:
                return
        if not self._on or window.busy:
            return
        window.send(image)
        self._kept = (image.copy(), frame.index) if self._live and self.paused else None
        while self._on and self._look(window, 0.0, image, frame.index):
            pass
        while (
            self._on and not self._live and self.paused and not self._steps and not self._stopping()
        ):
            self._look(window, _POLL_S, image, frame.index)
        self._steps = max(0, self._steps - 1)

    def close(self) -> None:
        """Closes the window; a second call does nothing."""
        self._on = False
        self._let_go()

    def _open_again(self) -> WindowProcess:
        self._window = WindowProcess(self._title, *self._size)
        return self._window

    def _let_go(self) -> None:
        window, self._window, self._ready = self._window, None, False
        if window is not None:
            window.close()

    def _stopping(self) -> bool:
        controls = self._controls
        return controls is not None and (controls.stopping() or controls.over())

    def _look(
        self, window: WindowProcess, timeout_s: float, image: NDArray[np.uint8], index: int
    ) -> bool:
        """Does what the window says next, within a time; whether it said something."""
        try:
            event = window.take(timeout_s)
        except queue.Empty:
            if window.busy and time.monotonic() - window.sent_s > _SILENT_S:
                self._lose(f"shows nothing for {_SILENT_S:g} s")
            return False
        if event is None:
            self._lose("is gone")
        elif event == READY:
            self._ready = True
        elif event == CLOSED:
            self._quit()
        elif event.startswith("key "):
            self._press(int(event[4:]), image, index)
        return True

    def _lose(self, what: str) -> None:
        self._let_go()
        self.paused, self._kept = False, None
        raise SinkError(f"{self.label} is lost: {_display()} {what}")

    def _quit(self) -> None:
        self.close()
        if self._controls is not None:
            self._controls.stop()

    def _press(self, key: int, image: NDArray[np.uint8], index: int) -> None:
        if key in _QUIT:
            self._quit()
        elif key == ord(" "):
            self.paused = not self.paused
        elif key == ord("."):
            self.paused = True
            self._steps += 1
        elif key == ord("s"):
            path = unused_path(Path(f"{self._name}_{index:06d}.png"))
            try:
                path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
                logger.warning("screenshot: %s", path, extra=NEWS)
            except OSError as error:
                logger.warning("no screenshot: %s", write_error(path, error))
        elif self._controls is not None:
            overlay = OVERLAY_KEYS.get(chr(key))
            if overlay is not None:
                renderer = self._controls.renderer
                renderer.options = renderer.options.toggled(overlay)


def has_display() -> bool:
    """Whether this process could open a window."""
    return sys.platform in ("win32", "darwin") or bool(_display_names())


def _display_names() -> list[str]:
    names = (os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return [name for name in names if name]


def _display() -> str:
    """What messages call it."""
    names = " ".join(_display_names())
    return f"the display {names!r}" if names else "the display"
