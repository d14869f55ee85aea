"""Pieces of work, and what comes of them: what flows between driver, workers and manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from configs.errors import ConfigError
from configs.flags import option


def _fraction(text: str, name: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"{name} must be a fraction, not {text!r}") from error


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video of the archive.

    Attributes:
        address: Path or address, as it was given or found.
        name: What its outputs are called, without suffix: `north/monday`.
        size: Bytes; None where the server does not say.
    """

    address: str
    name: str
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a long video was cut, and what is known of the whole; enough to put its parts together.

    Attributes:
        stamps: Of the frames at which it is cut, in units of `time_base`: one fewer than parts.
        width: Displayed width in pixels.
        height: Displayed height in pixels.
        fps: As `stream.SourceInfo` has it.
        frame_count: As there.
        duration_s: As there.
        time_base: As there.
        start_s: Stream time of the first frame.
    """

    stamps: tuple[int, ...]
    width: int
    height: int
    fps: float | None
    frame_count: int | None
    duration_s: float | None
    time_base: Fraction = option(help="", parse=_fraction)
    start_s: Fraction = option(help="", parse=_fraction)

    @property
    def parts(self) -> int:
        """How many there are."""
        return len(self.stamps) + 1

    def bounds(self, number: int) -> tuple[int | None, int | None]:
        """Stamps of the first frame of that part and of the frame behind its last; None at the ends
        of the video.
        """
        return (
            self.stamps[number - 1] if number else None,
            self.stamps[number] if number < len(self.stamps) else None,
        )


Kind = Literal["video", "part", "join"]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What one worker does in one go.

    Attributes:
        kind: `video` is a whole one, or finding out how to cut it; `part` one of its parts; `join`
            puts the parts together.
        video: Of which video.
        number: Of the part, from 0.
        cut: How the video was cut; None for `video`.
        whole: Whether the video is not to be cut, however long it is.
    """

    kind: Kind
    video: Video
    number: int = 0
    cut: Cut | None = None
    whole: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it apart from all others."""
        return self.kind, self.video.name, self.number

    def __str__(self) -> str:
        if self.kind == "part" and self.cut is not None:
            return f"{self.video.name} part {self.number + 1} of {self.cut.parts}"
        return f"{self.video.name} (join)" if self.kind == "join" else self.video.name


State = Literal["done", "cut", "uncuttable", "unreadable", "failed"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a unit.

    Attributes:
        state: `done`; `cut`, where the video is to be done in parts; `uncuttable`, where its parts
            would not be equal to the whole; `unreadable`, where trying again changes nothing;
            `failed`, where it may.
        reason: Why it is not done, or what is to be known of it though it is; one line.
        frames: Frames written.
        people: People in them, counted in every frame.
        damage: Packets and frames that were damaged.
        media_s: Seconds of video that were read.
        elapsed_s: Seconds that it took.
        worker: Who did it.
        outputs: Bytes of every output, by suffix.
        cut: How to cut the video.
    """

    state: State
    reason: str = ""
    frames: int = 0
    people: int = 0
    damage: int = 0
    media_s: float = 0.0
    elapsed_s: float = 0.0
    worker: str = ""
    outputs: dict[str, int] = field(default_factory=dict)
    cut: Cut | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The last word on a video, as the manifest keeps it.

    Attributes:
        name: Of the video.
        address: Of the video, without credentials.
        state: `done`; `unreadable`; or `set-aside` after a unit of it failed too often.
        reason: Why it is not done, or what is to be known of it though it is.
        frames: Frames written.
        people: People in them, counted in every frame.
        damage: Packets and frames that were damaged.
        media_s: Seconds of video.
        elapsed_s: Seconds of work of all its units together.
        parts: In how many parts it was done.
        outputs: Bytes of every output, by suffix.
    """

    name: str
    address: str
    state: Literal["done", "unreadable", "set-aside"]
    reason: str = ""
    frames: int = 0
    people: int = 0
    damage: int = 0
    media_s: float = 0.0
    elapsed_s: float = 0.0
    parts: int = 1
    outputs: dict[str, int] = field(default_factory=dict)
