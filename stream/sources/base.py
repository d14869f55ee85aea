"""What every source has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar

from stream.frame import Frame, FrameStamp, SourceInfo

S = TypeVar("S", bound="Source")
State = Literal["connecting", "running", "stalled", "reconnecting", "ended", "failed"]


@dataclass
class SourceHealth:
    """How a source is doing; written by the thread that reads it, safe to look at from any other.

    Attributes:
        state: What it is doing now.
        corrupt_packets: Packets that could not be read or decoded, and were skipped.
        damaged_frames: Frames that the decoder delivered and calls damaged.
        hidden_frames: Frames that are in the file and that it says not to show (edit lists).
        bad_stamps: Frames whose time stamp was missing or went backwards.
        reconnects: Times that the source was lost and came back.
        decoder: What decodes its frames; empty until there is one.
        decoder_restarts: Times that a decoder in a process of its own had to be started again.
        waited_ns: Time spent waiting for a live source to send something, which is no work.
        message: The last thing that went wrong, for people to read.
    """

    state: State = "connecting"
    corrupt_packets: int = 0
    damaged_frames: int = 0
    hidden_frames: int = 0
    bad_stamps: int = 0
    reconnects: int = 0
    decoder: str = ""
    decoder_restarts: int = 0
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
        label: What its run calls it, where somebody named it or another source has the same `name`:
            channels of one recorder may differ in what is taken out of URLs. Empty otherwise.
        live: Whether frames come at their own pace rather than ours.
        health: How it is doing.
    """

    name: str
    label: str = ""
    live: bool = False

    def __init__(self) -> None:
        self.health = SourceHealth()

    @property
    def _title(self) -> str:
        """What messages call it."""
        return f"{self.label} ({self.name})" if self.label else self.name

    @property
    def _log_data(self) -> dict[str, str]:
        """What log lines about it have as keys of their own."""
        return {"source": self.name, **({"name": self.label} if self.label else {})}

    @property
    @abstractmethod
    def info(self) -> SourceInfo | None:
        """What is known of the source; None until a live source has been reached for the first
        time.
        """

    def open(self) -> None:
        """Gets ready; a live source is reached by the first `grab`.

        Raises:
            SourceError: A file cannot be used.
        """
        self.health.state = "running"

    @property
    def files(self) -> Sequence[Path]:
        """Files on disk that it may read, which no output may write."""
        return ()

    def leave_out(self, path: Path) -> bool:
        """Does without a file that it merely found, in a folder for instance.

        Args:
            path: One of `files`.

        Returns:
            Whether that is possible.
        """
        return False

    @abstractmethod
    def grab(self) -> FrameStamp | None:
        """Moves to the next frame, without converting it.

        Returns:
            Which frame it is, and when; None at the end.

        Raises:
            SourceError: The source is lost for good.
        """

    @abstractmethod
    def retrieve(self, frame: Frame) -> None:
        """Fills the pixels of the frame that `grab` found; called once per `grab`, or not at all.

        Args:
            frame: `frame.allocate` gives its image, to be filled; all else is set from the stamp.
        """

    def close(self) -> None:  # noqa: B027 - most sources of one's own hold nothing
        """Gives back everything that `open` took. May be called twice."""

    def interrupt(self) -> None:  # noqa: B027 - likewise
        """Makes `grab` find no more frames, at once where it waits for the network. For any thread.

        A source whose `grab` never waits needs none.
        """

    def read_into(self, frame: Frame) -> bool:
        """Fills `frame` with the next frame; False at the end."""
        stamp = self.grab()
        if stamp is None:
            return False
        self.retrieve(frame)
        frame.stamp(stamp)
        return True

    def __iter__(self) -> Iterator[Frame]:
        """Frames that are the caller's to keep: each with pixels of its own."""
        frame = Frame()
        while self.read_into(frame):
            yield frame
            frame = Frame()

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
