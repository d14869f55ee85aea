"""People of a part of a video, kept exactly as grouping found them until the parts are joined."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import DataError
from grouping import People
from stream.frame import Frame
from stream.sources.segment import CutFrame
from stream.tracking import TrackingStage

_NO_COLOURS = np.zeros((0, 2, 3), np.float64)


class PartRecorder:
    """A stage that keeps everybody who was found, and what identities are told by.

    Args:
        tracker: Looks at what people wear; None where nobody gets an identity.
    """

    name = "record"

    def __init__(self, tracker: TrackingStage | None) -> None:
        self._tracker = tracker
        self._frames: list[tuple[int, int, int]] = []
        self._people: list[People] = []
        self._colours: list[NDArray[np.float64]] = []

    def __call__(self, frame: Frame, people: People, /) -> None:
        """Keeps the people of one frame."""
        assert frame.pts is not None
        height, width = frame.image.shape[:2]
        self._frames.append((frame.pts, width, height))
        self._people.append(people)
        colours = None if self._tracker is None else self._tracker.sample_colours(frame, people)
        self._colours.append(_NO_COLOURS if colours is None else colours)

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Writes all of it, with `facts` that JSON can hold."""
        frames = np.array(self._frames, np.int64).reshape(-1, 3)
        kept = self._people
        with path.open("wb") as file:
            np.savez(
                file,
                facts=np.frombuffer(json.dumps(dict(facts)).encode(), np.uint8),
                pts=frames[:, 0],
                sizes=frames[:, 1:].astype(np.int32),
                counts=np.array([len(people) for people in kept], np.int32),
                keypoints=_joined([people.keypoints for people in kept], (0, 0, 3)),
                scores=_joined([people.scores for people in kept], (0,)),
                tags=_joined([people.tags for people in kept], (0, 0)),
                colours=_joined(self._colours, (0, 2, 3)),
            )


@dataclass(frozen=True, kw_only=True)
class Maker:
    """What found the people of a part.

    Attributes:
        model: As `stream.RunInfo` has it.
        runtime: As there.
        precision: As there.
        device: As there.
    """

    model: str
    runtime: str
    precision: str
    device: str


class Part:
    """The people of a part, by the number of the frame in it.

    Args:
        path: Written by `PartRecorder.save`.

    Attributes:
        pts: (N,) int64 time stamps of its frames.
        sizes: (N, 2) int32 width and height of each.
        first: Its first frame; None at the beginning of the video.
        following: The frame behind its last; None at the end of the video.
        maker: What found the people.

    Raises:
        DataError: The file is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            # np.load leaves a file open that it cannot read.
            with path.open("rb") as file, np.load(file) as content:
                arrays = {name: content[name] for name in content.files}
            facts = json.loads(arrays["facts"].tobytes())
            self.pts: NDArray[np.int64] = arrays["pts"]
            self.sizes: NDArray[np.int32] = arrays["sizes"]
            self._ends = np.cumsum(arrays["counts"])
            self._all = People(arrays["keypoints"], arrays["scores"], arrays["tags"])
            self._colours: NDArray[np.float64] = arrays["colours"]
            self.first = _cut_frame(facts["first"])
            self.following = _cut_frame(facts["following"])
            self.maker = Maker(**facts["maker"])
        except (
            *(OSError, ValueError, KeyError, TypeError, EOFError),
            *(zipfile.BadZipFile, zlib.error),
        ) as error:
            raise DataError(f"{str(path)!r} holds no part of a video: {error}") from error

    def __len__(self) -> int:
        return len(self.pts)

    def people(self, number: int) -> tuple[People, NDArray[np.float64]]:
        """The people of a frame, and what they wear, (P, 2, 3); empty where nobody looked."""
        begin, end = (int(self._ends[number - 1]) if number else 0), int(self._ends[number])
        found = People(
            self._all.keypoints[begin:end],
            self._all.scores[begin:end],
            self._all.tags[begin:end],
        )
        return found, self._colours[begin:end]


def facts(first: CutFrame | None, following: CutFrame | None, maker: Maker) -> dict[str, Any]:
    """What a part file says beside the people."""
    return {
        "first": None if first is None else asdict(first),
        "following": None if following is None else asdict(following),
        "maker": asdict(maker),
    }


def _cut_frame(found: dict[str, int] | None) -> CutFrame | None:
    return None if found is None else CutFrame(**found)


def _joined(arrays: list[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.zeros(shape, np.float32)
