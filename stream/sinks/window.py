"""A window that shows the annotated images, with keys."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.atomic import unused_path
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.render.config import Overlay
from stream.sinks.base import Controls, RunInfo

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
_POLL_MS = 30
_PROBE_S = 20.0
_LARGEST = (1600, 900)  # width, height: a 4K source must not cover the desktop


class WindowSink:
    """Shows the images in a window called `title`, or after the source. Without a display it is
    off, said aloud.

    A paused window makes `write` wait, so that a file stops and a live source drops. Closing the
    window ends the run, as `q`. Used by one thread alone, as OpenCV's windows must be.
    """

    needs_image = True

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._controls: Controls | None = None
        self._shown = False
        self._paused = False

    def attach(self, controls: Controls) -> None:
        """Takes what the keys act on; without it they only pause, step, take screenshots and close
        the window.
        """
        self._controls = controls

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Opens the window, unless there is no display or this OpenCV has no windows."""
        self._title = self._title or f"{source.name} - {run.model}"
        self._name = Path(source.name.rstrip("/")).stem or "stream"
        if not has_display():
            self.needs_image = False
            logger.warning(
                "no window: there is no display (DISPLAY and WAYLAND_DISPLAY are not set)"
            )
            return
        if not _answers(*_display_names()):
            self.needs_image = False
            logger.warning("no window: the display %r does not answer", " ".join(_display_names()))
            return
        try:
            cv2.namedWindow(
                self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            )
        except cv2.error as error:
            self.needs_image = False
            logger.warning(
                "no window: this OpenCV cannot open one (%s)", str(error).strip().splitlines()[-1]
            )
            return
        scale = min(1.0, _LARGEST[0] / source.width, _LARGEST[1] / source.height)
        cv2.resizeWindow(self._title, round(source.width * scale), round(source.height * scale))
        self._shown = True
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
        """Shows `image` and does what keys ask for; waits while the window is paused, unless the
        run is ending.
        """
        if not self._shown or image is None:
            return
        cv2.imshow(self._title, image)
        step = self._press(cv2.waitKey(1) & 0xFF, image, frame.index)
        while self._shown and self._paused and not step and not self._stopping():
            step = self._press(cv2.waitKey(_POLL_MS) & 0xFF, image, frame.index)

    def close(self) -> None:
        """Closes the window; a second call does nothing."""
        if self._shown:
            self._shown = False
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)  # the window goes only when its events are handled

    def _stopping(self) -> bool:
        return self._controls is not None and self._controls.stopping()

    def _press(self, key: int, image: NDArray[np.uint8], index: int) -> bool:
        """Does what `key` asks for; whether that is to go one frame further."""
        if key in _QUIT or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self.close()
            if self._controls is not None:
                self._controls.stop()
        elif key == ord(" "):
            self._paused = not self._paused
        elif key == ord("."):
            self._paused = True
            return True
        elif key == ord("s"):
            path = str(unused_path(Path(f"{self._name}_{index:06d}.png")))
            if cv2.imwrite(path, image):
                logger.warning("screenshot: %s", path)
        elif self._controls is not None:
            overlay = OVERLAY_KEYS.get(chr(key))
            if overlay is not None:
                renderer = self._controls.renderer
                renderer.options = renderer.options.toggled(overlay)
        return False


def has_display() -> bool:
    """Whether this process could open a window."""
    return sys.platform in ("win32", "darwin") or bool(_display_names())


def _display_names() -> list[str]:
    names = (os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return [name for name in names if name]


@cache
def _answers(*names: str) -> bool:
    """Whether a window can be opened on the displays that are named. Asked in another process: Qt
    aborts its own where it cannot.
    """
    if not names:
        return True
    line = [sys.executable, "-c", "import cv2; cv2.namedWindow('?'); cv2.destroyAllWindows()"]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            line, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_PROBE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    # Another OpenCV may have no windows at all: it says so itself, without an abort.
    return done.returncode >= 0
