"""A thread that encodes, so that whoever hands frames over need not wait for each."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import PoseStreamError, SinkError

# One frame being encoded, one waiting, one being copied, and one to absorb a key frame that takes
# longer than the others.
_SLOTS = 4
_LOOK_S = 0.2


class Output(Protocol):
    """What the frames are encoded into; used by the encoder's thread alone."""

    def encode(self, image: NDArray[np.uint8], pts: int) -> None:
        """Adds an image (H, W, 3) uint8 BGR that is shown from `pts` on.

        Raises:
            SinkError: An earlier image could not be written.
        """

    def close(self, *, all_audio: bool, complete: bool) -> bool:
        """Finishes it, with the audio until its last frame or all that is left; whether there was
        a frame. An output that is not `complete` replaces no older one.
        """


class _Filled(NamedTuple):
    """A slot with a frame in it: its time stamp and its number in the source."""

    slot: int
    pts: int
    number: int


class BackgroundEncoder:
    """Copies images into one of a few slots and encodes them in a thread of its own.

    Args:
        output: Where they go; finished by the thread when `close` is called.
        label: What to call the output in messages.
        size: Width and height of the output in pixels; images of another size are fitted into it
            in their proportions, black around them.
        waits: Whether a caller waits for a free slot, as a file can; else the frame is left out,
            because for a live source waiting would only add delay.
        frame_count: Frames of the source in all; None where unknown. Once the last one is there,
            audio that is longer than the video belongs to it.

    Attributes:
        overrun: Frames that were left out because every slot was full.
        error: What ended the thread; None while all is well.
        wrote: After `close`, whether there was a frame at all.
    """

    def __init__(
        self,
        output: Output,
        *,
        label: str,
        size: tuple[int, int],
        waits: bool,
        frame_count: int | None,
    ) -> None:
        self.overrun = 0
        self.error: PoseStreamError | None = None
        self.wrote = False
        self._output = output
        self._label = label
        self._size = size
        self._waits = waits
        self._frame_count = frame_count
        self._encoded = 0
        self._complete = True
        width, height = size
        self._slots = [np.empty((height, width, 3), np.uint8) for _ in range(_SLOTS)]
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._filled: queue.SimpleQueue[_Filled | None] = queue.SimpleQueue()
        for slot in range(_SLOTS):
            self._free.put(slot)
        self._thread = threading.Thread(target=self._run, name=f"encode {label}", daemon=True)
        self._thread.start()

    def put(self, image: NDArray[np.uint8], pts: int, *, index: int) -> None:
        """Takes a copy of `image` (H, W, 3) uint8 BGR, unless the thread failed: see `error`."""
        slot = self._take_slot()
        if slot is None:
            return
        if image.shape == self._slots[slot].shape:
            np.copyto(self._slots[slot], image)
        else:  # the source changed its size; a video file cannot
            _fit(image, self._slots[slot])
        self._filled.put(_Filled(slot, pts, index))

    def finish(self, *, complete: bool = True) -> None:
        """Nothing more comes: what is there is encoded, and the output finished."""
        self._complete = complete
        self._filled.put(None)

    def join(
        self,
        stalled_s: float,
        moved: Callable[[], object] = lambda: None,
        hurried: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Waits for the end, for as long as something moves.

        Args:
            stalled_s: For how long nothing may be encoded.
            moved: Something that changes while the output is written, beside the frames.
            hurried: Whether nobody waits any longer.

        Returns:
            Whether the end came.
        """
        progress: object = None
        until_s = 0.0
        while self._thread.is_alive() and not hurried():
            if progress != (now := (self._encoded, moved())):
                progress, until_s = now, time.monotonic() + stalled_s
            elif time.monotonic() >= until_s:
                break
            self._thread.join(min(_LOOK_S, stalled_s))
        return not self._thread.is_alive()

    def _take_slot(self) -> int | None:
        while self.error is None:
            try:
                return self._free.get(block=self._waits, timeout=0.1)
            except queue.Empty:
                if not self._waits:
                    self.overrun += 1
                    return None
        return None

    def _run(self) -> None:
        last_index = -1
        try:
            try:
                while (item := self._filled.get()) is not None:
                    self._output.encode(self._slots[item.slot], item.pts)
                    self._free.put(item.slot)
                    self._encoded += 1
                    last_index = item.number
            finally:
                to_the_end = self._frame_count is not None and last_index + 1 >= self._frame_count
                self.wrote = self._output.close(
                    all_audio=to_the_end and self._complete, complete=self._complete
                )
        except PoseStreamError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - whatever ends this thread must reach the caller
            self.error = SinkError(f"cannot write {self._label!r}: {type(error).__name__}: {error}")


def _fit(image: NDArray[np.uint8], slot: NDArray[np.uint8]) -> None:
    """Fills `slot` with `image` as large as it fits, in its proportions, and black around it."""
    (height, width), (own_height, own_width) = slot.shape[:2], image.shape[:2]
    scale = min(height / own_height, width / own_width)
    new_height, new_width = (
        max(1, min(limit, round(side * scale)))
        for side, limit in ((own_height, height), (own_width, width))
    )
    top, left = (height - new_height) // 2, (width - new_width) // 2
    slot[:] = 0
    inner = slot[top : top + new_height, left : left + new_width]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    inner[:] = cv2.resize(image, (new_width, new_height), interpolation=kind)
