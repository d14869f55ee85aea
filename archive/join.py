"""The parts of a video put together: a run whose people come from parts instead of a network, so
that identities and outputs are those of a run over the whole video.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive.parts import Maker, Part
from archive.units import Cut
from configs import KeypointSet
from engine import PoseMaps, align
from grouping import People
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources import Source
from stream.sources.clock import StreamClock
from stream.sources.segment import CutError
from stream.tracking import TrackingStage


class Parts:
    """The parts of one video, one in memory at a time; reads on only forward.

    Args:
        paths: In order.
        cut: How the video was cut.

    Raises:
        CutError: Parts that lie side by side do not agree on the frame between them.
        DataError: A file is damaged.
    """

    def __init__(self, paths: Sequence[Path], cut: Cut) -> None:
        self._paths = list(paths)
        self._ends: list[int] = []
        self._number, self._part = 0, Part(paths[0])
        self.maker = self._part.maker
        before: Part | None = None
        for number, path in enumerate(paths):
            part = Part(path)
            if before is not None:
                _check(before, part, cut.stamps[number - 1], cut)
            self._ends.append((self._ends[-1] if self._ends else 0) + len(part))
            before = part

    def __len__(self) -> int:
        """Frames of all parts."""
        return self._ends[-1]

    def frames(self) -> Iterator[tuple[int, int, int]]:
        """Time stamp, width and height of every frame."""
        for path in self._paths:
            part = Part(path)
            for pts, (width, height) in zip(part.pts.tolist(), part.sizes.tolist(), strict=True):
                yield pts, width, height

    def people(self, index: int) -> tuple[People, NDArray[np.float64]]:
        """The people of the frame with that number in the whole video, and what they wear.

        Raises:
            CutError: There is no such frame.
        """
        if index >= len(self):
            raise CutError(f"the whole video has more than the {len(self)} frames of its parts")
        while index >= self._ends[self._number]:
            self._number += 1
            self._part = Part(self._paths[self._number])
        return self._part.people(index - self._ends[self._number] + len(self._part))


def _check(before: Part, part: Part, stamp: int, cut: Cut) -> None:
    if before.following is None or before.following != part.first or part.first.pts != stamp:
        at_s = float(stamp * cut.time_base)
        raise CutError(f"its frame at {at_s:.3f} s is another one when decoding begins there")


class PartsSource(Source):
    """The frames of a video that was done in parts: numbers, times and sizes as in a run over the
    whole; images are not decoded, and hold anything.

    Args:
        parts: Its parts.
        name: What to call it.
        cut: How it was cut.
    """

    def __init__(self, parts: Parts, name: str, cut: Cut) -> None:
        super().__init__()
        self.name = name
        self._cut = cut
        self._frames = enumerate(parts.frames())
        self._clock = StreamClock(cut.time_base, cut.fps, start_s=cut.start_s)
        self._size = (cut.width, cut.height)

    @property
    def info(self) -> SourceInfo:
        cut = self._cut
        return SourceInfo(
            name=self.name,
            width=cut.width,
            height=cut.height,
            fps=cut.fps,
            frame_count=cut.frame_count,
            duration_s=cut.duration_s,
            time_base=cut.time_base,
        )

    def grab(self) -> FrameStamp | None:
        found = next(self._frames, None)
        if found is None:
            self.health.state = "ended"
            return None
        index, (pts, width, height) = found
        self._size = (width, height)
        time_s, used = self._clock.stamp(pts)
        return FrameStamp(
            source=self.name,
            index=index,
            time_s=float(time_s),
            pts=pts if used else None,
            time_base=self._cut.time_base,
        )

    def retrieve(self, frame: Frame) -> None:
        width, height = self._size
        frame.allocate(height, width)


class PartsStage:
    """Puts in the people of the parts, and tells who they are.

    Args:
        parts: The parts.
        tracker: Gives identities; None where nobody gets one.
    """

    name = "parts"

    def __init__(self, parts: Parts, tracker: TrackingStage | None) -> None:
        self._parts = parts
        self._tracker = tracker

    def __call__(self, frame: Frame, people: People, /) -> People:
        """The people of one frame."""
        found, colours = self._parts.people(frame.index)
        return found if self._tracker is None else self._tracker.track(frame, found, colours)


class NoEngine:
    """An estimator that computes nothing and calls itself what found the people of the parts.

    Args:
        maker: That.
        keypoint_set: The joints of the people.
        min_person_score: From which they are kept.
    """

    in_flight = 2
    batch_size = 1

    def __init__(self, maker: Maker, keypoint_set: KeypointSet, min_person_score: float) -> None:
        self.model, self.runtime, self.precision = maker.model, maker.runtime, maker.precision
        self.device = maker.device
        self.keypoint_set = keypoint_set
        self.min_person_score = min_person_score
        joints, (height, width) = len(keypoint_set), (8, 8)
        alignment = align((64, 64), 64).with_map_size((height, width))
        self._maps = PoseMaps(
            np.zeros((joints, height, width), np.float32),
            np.zeros((joints, height, width, 1), np.float32),
            alignment,
        )
        self._nobody = People(
            np.zeros((0, joints, 3), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, 1), np.float32),
        )

    def submit_batch(self, images_bgr: Sequence[NDArray[np.uint8]], /) -> list[Any]:
        """A ticket for each image."""
        return [None] * len(images_bgr)

    def result(self, ticket: Any, /) -> PoseMaps:
        """Maps without people."""
        return self._maps

    def group(self, *maps: Any) -> People:
        """Nobody."""
        return self._nobody
