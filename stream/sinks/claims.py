"""Which files outputs may write: told before anything is touched, so that none is lost."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Protocol, runtime_checkable

import av

from basics.paths import ffmpeg_path
from configs.errors import ConfigError, SinkError
from keypoint_datasets.images import is_image
from stream.sinks.containers import FORMATS, MARK
from stream.sinks.marks import is_own_picture

_CASE_SENSITIVE = os.name == "posix" and os.uname().sysname != "Darwin"


@dataclass(frozen=True)
class Claim:
    """Files that an output may write.

    Attributes:
        output: What messages call the output.
        folder: Where they are; it need not exist yet.
        names: What their names match.
        name: The only name that they have; None where there are many.
        replaces: Whether files that are there are replaced; if not, free names are taken.
    """

    output: str
    folder: Path
    names: re.Pattern[str]
    name: str | None = None
    replaces: bool = True

    def existing(self) -> Iterator[Path]:
        """Those that are there now, devices and pipes left out."""
        if not self.replaces:
            return
        if self.name is not None:
            if _is_regular(self.folder / self.name):
                yield self.folder / self.name
            return
        try:
            found = [Path(entry.path) for entry in os.scandir(self.folder)]
        except OSError:
            return
        for path in found:
            if self.names.fullmatch(_key(path.name)) and _is_regular(path):
                yield path

    def covers(self, path: Path) -> bool:
        """Whether the path is one of them, there or not."""
        path = _resolved(path)
        return (
            self.replaces
            and path.parent == self.folder
            and self.names.fullmatch(_key(path.name)) is not None
        )


@runtime_checkable
class Claimant(Protocol):
    """A sink that says what it will write."""

    def claims(self) -> Sequence[Claim]:
        """Files that it may write, each of which could be.

        Raises:
            SinkError: One of them cannot be written; ConfigError likewise.
        """


@runtime_checkable
class Sender(Protocol):
    """A sink that sends its results to somebody.

    Attributes:
        label: To whom, without credentials.
        place: The same for all that would be mixed there; None where nothing is sent, or the place
            may be shared.
    """

    @property
    def label(self) -> str: ...
    @property
    def place(self) -> Hashable | None: ...


_TS_HEAD_BYTES = 4096  # the service description is in the first packets
_LOOK_S = 5.0  # a file on a share that is gone answers nothing


class Reader(Protocol):
    """A source, as far as its files matter."""

    name: str

    @property
    def files(self) -> Sequence[Path]:
        """Files on disk that it may read."""

    def leave_out(self, path: Path) -> bool:
        """Does without a file that nobody named; whether that is possible."""


def claim_file(path: Path, output: str | None = None) -> Claim:
    """The file at `path`, or at the end of the link that `path` is."""
    real = _resolved(path)
    names = re.compile(re.escape(_key(real.name)))
    return Claim(output or str(path), real.parent, names, real.name)


def claim_names(
    folder: Path, names: str, output: str | None = None, *, replaces: bool = True
) -> Claim:
    """The files in `folder` whose names match the pattern `names`."""
    pattern = re.compile(_key(names))
    return Claim(output or str(folder), _resolved(folder), pattern, replaces=replaces)


def check_claims(
    sources: Sequence[Reader],
    sinks: Sequence[object],
    *,
    used: Sequence[Path] = (),
    doubtful: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Refuses outputs that would write what a source reads, what another output writes or sends to
    the same place, or videos and images of somebody else's that nobody named as an output beyond
    doubt.

    A file that a source merely found in a folder, and that this program wrote, is left out of the
    source instead.

    Args:
        sources: What is read.
        sinks: What is written and sent: whatever has `claims` or a `place`.
        used: Other files that the run needs, such as weights.
        doubtful: Names among the outputs that may have been meant otherwise.
        overwrite: Whether everything may be replaced that is not read.

    Raises:
        ConfigError: Two outputs would write one file or send to one place, or a video would be
            lost.
        SinkError: An output is a source, or cannot be written at all.
    """
    claims = [
        (index, claim)
        for index, sink in enumerate(sinks)
        if isinstance(sink, Claimant)
        for claim in sink.claims()
    ]
    for (one, first), (other, second) in combinations(claims, 2):
        if one != other and (first.replaces or second.replaces) and _overlap(first, second):
            raise ConfigError(
                f"output {first.output!r} is named twice"
                if first.output == second.output
                else f"outputs {first.output!r} and {second.output!r} would write one file: it is "
                "named twice"
            )
    _check_places([sink for sink in sinks if isinstance(sink, Sender)])
    # A kind before the name, as in npz:clip.mp4, makes it no surer.
    guessed = {Path(part) for name in doubtful for part in (name, name.partition(":")[2]) if part}
    for _, claim in claims:
        _check_sources(claim, sources)
        _check_used(claim, used)
        if not overwrite and (claim.name is None or Path(claim.output) in guessed):
            _check_strangers(claim)


def _check_places(senders: Sequence[Sender]) -> None:
    """Raises ConfigError if two of them would be mixed where they arrive."""
    taken: dict[Hashable, Sender] = {}
    for sender in senders:
        if sender.place is None:
            continue
        first = taken.setdefault(sender.place, sender)
        if first is not sender:
            raise ConfigError(
                (
                    f"output {first.label!r} is named twice"
                    if first.label == sender.label
                    else f"outputs {first.label!r} and {sender.label!r} are one place: it is named "
                    "twice"
                )
                + ", and what is sent would be mixed; {source} in the name gives each source its "
                "own"
            )


def _check_sources(claim: Claim, sources: Sequence[Reader]) -> None:
    """Raises SinkError if a source reads what is claimed, however either is spelled."""
    there = {_identity(path): path for path in claim.existing()}
    there.pop(None, None)
    for source in sources:
        for file in source.files:
            path = there.get(_identity(file)) if there else None
            if path is None and not claim.covers(file):
                continue
            if path is not None and _is_own(path) and source.leave_out(file):
                continue
            raise SinkError(
                f"cannot write {claim.output!r}: it is the source itself, or a file that the "
                f"source {source.name!r} reads; choose another name"
            )


def _check_used(claim: Claim, used: Sequence[Path]) -> None:
    identities = {_identity(path) for path in claim.existing()} - {None}
    for path in used:
        if _identity(path) in identities:
            raise SinkError(
                f"cannot write {claim.output!r}: this run reads it; choose another name"
            )


def _check_strangers(claim: Claim) -> None:
    """Raises ConfigError for a video or an image that was not written by this program."""
    for path in claim.existing():
        if is_image(str(path)) and not is_own_picture(path):
            what = "an image that this program did not write"
        elif (_is_video(path) and not is_own_video(path)) or _is_segment_of_others(path):
            what = "a video that this program did not write"
        else:
            continue
        raise ConfigError(
            f"{str(path)!r} is {what}: if it is a source, name it before -o; to replace it, give "
            "it an -o of its own, or add --overwrite"
        )


def _is_segment_of_others(path: Path) -> bool:
    """Whether it is a piece of a playlist that this program did not write."""
    if path.suffix.lower() != ".ts":
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_TS_HEAD_BYTES)
    except OSError:
        return False
    return bool(head) and MARK.encode() not in head


def _is_own(path: Path) -> bool:
    return is_own_picture(path) if is_image(str(path)) else is_own_video(path)


def is_own_video(path: Path) -> bool:
    """Whether this program wrote the video."""
    metadata = _video_metadata(path)
    return metadata is not None and MARK in metadata.get("comment", metadata.get("COMMENT", ""))


def _is_video(path: Path) -> bool:
    return _video_metadata(path) is not None


def _video_metadata(path: Path) -> dict[str, str] | None:
    """What the file of a video says of itself; None if it is none.

    Playlists are not opened: FFmpeg would wait for the next segment of one that has no end.
    """
    if path.suffix.lower() not in FORMATS:
        return None
    try:
        with av.open(ffmpeg_path(path), metadata_errors="replace", timeout=_LOOK_S) as container:
            return dict(container.metadata) if container.streams.video else None
    except (av.FFmpegError, OSError, ValueError):
        return None


def _overlap(first: Claim, second: Claim) -> bool:
    if first.folder == second.folder and (
        first.names.pattern == second.names.pattern
        or (second.name is not None and first.names.fullmatch(_key(second.name)))
        or (first.name is not None and second.names.fullmatch(_key(first.name)))
    ):
        return True
    identities = {_identity(path) for path in first.existing()} - {None}
    return bool(identities) and any(_identity(path) in identities for path in second.existing())


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for every name of a file; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links
        return path.absolute()


def _key(name: str) -> str:
    return name if _CASE_SENSITIVE else name.lower()
