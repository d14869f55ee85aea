"""What a run changes in its process, and puts back."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

# Threads hand the interpreter over after 0.5 ms instead of 5: a hop between two stages costs 60 us
# instead of 5 ms while a third thread computes in Python (docs/reference.md, section 6).
_SWITCH_INTERVAL_S = 0.0005


@contextmanager
def tuned_process() -> Iterator[None]:
    """Quick hand-over between threads, no long collections, and an OpenCV that leaves the cores to
    the stages.

    Everything is as before afterwards. A full collection looks at every object of every imported
    module and stops all threads meanwhile: 36 ms, more than a frame, once a minute or so with two
    cameras. What is there when the run begins is left out.
    """
    interval_s, threads = sys.getswitchinterval(), cv2.getNumThreads()
    frozen = gc.get_freeze_count() > 0  # by the program around us, which has reasons of its own
    if not frozen:
        gc.freeze()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        cv2.setNumThreads(threads)
        if not frozen:
            gc.unfreeze()
