"""What every source has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream.frame import Frame, SourceInfo

S = TypeVar("S", bound="Source")
State = Literal["connecting", "running", "stalled", "reconnecting", "ended", "failed"]


class FrameSlot:
    """A Frame whose pixels live in a buffer that is allocated once, and again only when frames
    get larger.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self.frame = Frame(
            image=self._buffer.reshape(0, 0, 3), source="", index=-1, time_s=0.0, capture_ns=0
        )

    def resize(self, height: int, width: int) -> NDArray[np.uint8]:
        """Makes the frame's image (height, width, 3), contents undefined, and returns it."""
        size = height * width * 3
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.uint8)
        if self.frame.image.shape[:2] != (height, width):
            self.frame.image = self._buffer[:size].reshape(height, width, 3)
        return self.frame.image

    def describe(
        self,
        *,
        source: str,
        index: int,
        time_s: float,
        pts: int | None,
        time_base: Fraction,
        capture_ns: int,
        epoch: int = 0,
    ) -> None:
        """Sets all that `Frame` says beside the pixels, and forgets the stages that the last frame
        in the slot has left.
        """
        frame = self.frame
        frame.source, frame.index, frame.epoch = source, index, epoch
        frame.time_s, frame.pts, frame.time_base = time_s, pts, time_base
        frame.capture_ns = capture_ns
        frame.left_ns.clear()


@dataclass
class SourceHealth:
    """How a source is doing; written by the thread that reads it, safe to look at from any other.

    corrupt_packets: packets that could not be read or decoded, and were skipped.
    damaged_frames: frames that the decoder delivered and calls damaged.
    bad_stamps: frames whose time stamp was missing or went backwards.
    reconnects: times that the source was lost and came back.
    waited_ns: time spent waiting for a live source to send something, which is no work.
    message: the last thing that went wrong, for people to read.
    """

    state: State = "connecting"
    corrupt_packets: int = 0
    damaged_frames: int = 0
    bad_stamps: int = 0
    reconnects: int = 0
    waited_ns: int = 0
    message: str = ""


class Source(ABC):
    """Frames, one after the other. A context manager; used by one thread, except for `interrupt`,
    `health` and `info`.

        with open_source("clip.mp4") as source:
            for frame in source:
                ...

    name: path or URL without credentials.
    live: whether frames come at their own pace rather than ours.
    time_s: stream time of the frame that `grab` found last.
    """

    name: str
    live: bool = False
    time_s: float = 0.0

    def __init__(self) -> None:
        self.health = SourceHealth()

    @property
    @abstractmethod
    def info(self) -> SourceInfo | None:
        """What is known of the source; none until a live source has been reached for the first
        time.
        """

    @abstractmethod
    def open(self) -> None:
        """Gets ready. Raises SourceError for a file that cannot be used; a live source is reached
        by the first `grab`.
        """

    @abstractmethod
    def grab(self) -> bool:
        """Moves to the next frame, without converting it; False at the end.

        Raises SourceError if the source is lost for good.
        """

    @abstractmethod
    def retrieve(self, slot: FrameSlot) -> None:
        """Fills `slot` with the frame that `grab` found: pixels, index, times. May be called once
        a `grab`, or not at all.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives back everything that `open` took. May be called twice."""

    @abstractmethod
    def interrupt(self) -> None:
        """Makes `grab` find no more frames, at once where it waits for the network. For any
        thread.
        """

    def read_into(self, slot: FrameSlot) -> bool:
        """`grab` and `retrieve`."""
        if not self.grab():
            return False
        self.retrieve(slot)
        return True

    def __iter__(self) -> Iterator[Frame]:
        """Frames that are the caller's to keep: each with pixels of its own."""
        slot = FrameSlot()
        while self.read_into(slot):
            yield slot.frame
            slot = FrameSlot()

    def __enter__(self: S) -> S:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
