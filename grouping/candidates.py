"""The places where a joint may be: what grouping starts from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from configs.errors import DataError
from grouping.maps import LARGEST_VALUE


class Candidates(Protocol):
    """Candidates that a network's graph already picked, K per joint, best first; grouping and
    engine meet here.

    Attributes:
        x: (J, K) int32, column of the map.
        y: (J, K) int32, row of the map.
        score: (J, K) float32, heatmap value.
        tag: (J, K, L) float32, tag map at (x, y).
    """

    @property
    def x(self) -> NDArray[np.int32]: ...
    @property
    def y(self) -> NDArray[np.int32]: ...
    @property
    def score(self) -> NDArray[np.float32]: ...
    @property
    def tag(self) -> NDArray[np.float32]: ...


class CandidateBuffer(NamedTuple):
    """Candidates that passed the threshold, the first `counts` (J,) per joint; allocated once,
    filled for every frame.
    """

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    score: NDArray[np.float32]
    tag: NDArray[np.float32]
    counts: NDArray[np.int64]

    @classmethod
    def allocate(cls, joints: int, capacity: int, tag_length: int) -> CandidateBuffer:
        """Room for `capacity` candidates per joint."""
        return cls(
            x=np.zeros((joints, capacity), np.int32),
            y=np.zeros((joints, capacity), np.int32),
            score=np.zeros((joints, capacity), np.float32),
            tag=np.zeros((joints, capacity, tag_length), np.float32),
            counts=np.zeros(joints, np.int64),
        )


def take_candidates(
    candidates: Candidates,
    threshold: np.float32,
    map_size: tuple[int, int],
    buffer: CandidateBuffer,
) -> None:
    """Fills a buffer with the candidates that a graph picked, the first K per joint, less those
    below the threshold or not usable.

    Args:
        candidates: As the graph gives them.
        threshold: Least heatmap value.
        map_size: Height and width of the maps.
        buffer: Of capacity K; is overwritten.

    Raises:
        DataError: An array has the wrong shape or dtype, or a place lies outside the map.
    """
    joints, capacity, tag_length = buffer.tag.shape
    offered = candidates.score.shape[1] if candidates.score.ndim == 2 else 0
    for name, array, kind, tail in (
        ("x", candidates.x, np.int32, ()),
        ("y", candidates.y, np.int32, ()),
        ("score", candidates.score, np.float32, ()),
        ("tag", candidates.tag, np.float32, (tag_length,)),
    ):
        if array.shape != (joints, offered, *tail) or array.dtype != kind:
            wanted = ", ".join(map(str, (joints, "K", *tail)))
            raise DataError(
                f"candidates.{name} must be {np.dtype(kind)} of shape ({wanted}), like the maps, "
                f"not {array.dtype} of shape {array.shape}"
            )
    taken = min(offered, capacity)
    buffer.x[:, :taken] = candidates.x[:, :taken]
    buffer.y[:, :taken] = candidates.y[:, :taken]
    buffer.score[:, :taken] = candidates.score[:, :taken]
    buffer.tag[:, :taken] = candidates.tag[:, :taken]
    buffer.counts[:] = taken
    outside = keep_usable(buffer, threshold, *map_size)
    if outside >= 0:
        joint, place = divmod(outside, capacity)
        raise DataError(
            f"candidate {place} of joint {joint} is at x {buffer.x[joint, place]}, y "
            f"{buffer.y[joint, place]}, outside the map "
            f"of width {map_size[1]} and height {map_size[0]}: candidates and maps must come from "
            "the same network output"
        )


@kernel
def keep_usable(candidates: CandidateBuffer, threshold: np.float32, height: int, width: int) -> int:
    """Takes out, in place and keeping the order, what is below `threshold`, not finite or beyond
    LARGEST_VALUE.

    Returns:
        -1, or joint * capacity + place of the first candidate outside the map, where it stops.
    """
    for joint in range(candidates.x.shape[0]):
        kept = 0
        for place in range(candidates.counts[joint]):
            score = candidates.score[joint, place]
            usable = threshold <= score <= LARGEST_VALUE
            for dimension in range(candidates.tag.shape[2]):
                usable &= abs(candidates.tag[joint, place, dimension]) <= LARGEST_VALUE
            if not usable:
                continue
            x, y = candidates.x[joint, place], candidates.y[joint, place]
            if not (0 <= x < width and 0 <= y < height):
                return int(joint * candidates.x.shape[1] + place)
            candidates.x[joint, kept] = x
            candidates.y[joint, kept] = y
            candidates.score[joint, kept] = score
            for dimension in range(candidates.tag.shape[2]):
                candidates.tag[joint, kept, dimension] = candidates.tag[joint, place, dimension]
            kept += 1
        candidates.counts[joint] = kept
    return -1


@kernel
def gather_tags(
    tags: NDArray[np.float32], strides: tuple[int, int, int, int], candidates: CandidateBuffer
) -> None:
    """Fills `candidates.tag` from the tag maps (see maps.TagMaps) at the candidates' places."""
    for joint in range(candidates.x.shape[0]):
        for place in range(candidates.counts[joint]):
            x, y = candidates.x[joint, place], candidates.y[joint, place]
            pixel = joint * strides[0] + y * strides[1] + x * strides[2]
            for dimension in range(candidates.tag.shape[2]):
                candidates.tag[joint, place, dimension] = tags[pixel + dimension * strides[3]]
