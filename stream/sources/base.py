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
    """A Frame whose pixels live in a buffer that is used again; what a source fills.

    Attributes:
        frame: The frame; its image is set by `resize`, the rest by `describe`.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(0, np.uint8)
        self.frame = Frame(
            image=self._buffer.reshape(0, 0, 3), source="", index=-1, time_s=0.0, capture_ns=0
        )

    def resize(self, height: int, width: int) -> NDArray[np.uint8]:
        """Makes the frame's image (height, width, 3) uint8 BGR, contents undefined.

        The buffer is allocated once, and again only when frames get larger.

        Args:
            height: Rows.
            width: Pixels in a row.

        Returns:
            The image, to be filled.
        """
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
        """Sets all that `Frame` says beside the pixels.

        Args:
            source: Name of the source, without credentials.
            index: Number of the frame among all that the source delivered, from 0.
            time_s: Stream time in seconds.
            pts: The time stamp in units of `time_base`; None where there is none.
            time_base: Unit of `pts`, in seconds.
            capture_ns: `time.monotonic_ns()` when the frame arrived.
            epoch: Number of times that the source was reconnected.
        """
        frame = self.frame
        frame.source, frame.index, frame.epoch = source, index, epoch
        frame.time_s, frame.pts, frame.time_base = time_s, pts, time_base
        frame.capture_ns = capture_ns
        frame.left_ns.clear()


@dataclass
class SourceHealth:
    """How a source is doing; written by the thread that reads it, safe to look at from any other.

    Attributes:
        state: What it is doing now.
        corrupt_packets: Packets that could not be read or decoded, and were skipped.
        damaged_frames: Frames that the decoder delivered and calls damaged.
        bad_stamps: Frames whose time stamp was missing or went backwards.
        reconnects: Times that the source was lost and came back.
        waited_ns: Time spent waiting for a live source to send something, which is no work.
        message: The last thing that went wrong, for people to read.
    """

    state: State = "connecting"
    corrupt_packets: int = 0
    damaged_frames: int = 0
    bad_stamps: int = 0
    reconnects: int = 0
    waited_ns: int = 0
    message: str = ""


class Source(ABC):
    """Frames, one after the other; a class of one's own can be the source of a run.

    A context manager; used by one thread, except for `interrupt`, `health` and `info`.

        with open_source("clip.mp4") as source:
            for frame in source:
                ...

    Attributes:
        name: Path or URL without credentials.
        live: Whether frames come at their own pace rather than ours.
        time_s: Stream time of the frame that `grab` found last.
        health: How it is doing.
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
