"""What images travel in to the network and back: slots of the runtime, used again and again."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.geometry import Alignment
from engine.multi_view import View
from engine.runtimes import Runtime, Slot

# A folder of photographs has some forty; every slot holds up to 25 MB twice.
_KEPT_SHAPES = 12


@dataclass(slots=True)
class Batch:
    """Images that travel together: their views, one per scale and mirror image, what was submitted,
    and how many are not released.
    """

    views: list[View]
    unreleased: int
    pending: list[Any] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An image that was submitted: the alignment of its maps, and its place in which batch."""

    alignment: Alignment
    batch: Batch
    index: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How images of one size are laid into the network's input: alignments by scale, the largest
    first, their sizes of input, and the alignment of the maps.
    """

    alignments: Sequence[Alignment]
    input_sizes: tuple[tuple[int, int], ...]
    maps: Alignment


@dataclass(frozen=True, slots=True)
class Preparation:
    """Images whose slots are there, and into which they are still to be laid.

    Attributes:
        lay: For each image what lays it into its slots; each once, by any thread.
        batches: What is submitted then.
        tickets: For each image.
    """

    lay: list[Callable[[], None]]
    batches: list[Batch]
    tickets: list[Ticket]


class SlotPool:
    """A runtime's slots by shape, made when first needed and freed when many other shapes came
    since.

    Args:
        runtime: What makes them.
        shapes: That are needed at a time; a few more are kept.
    """

    def __init__(self, runtime: Runtime, shapes: int) -> None:
        self._runtime = runtime
        self._kept_shapes = max(_KEPT_SHAPES, shapes)
        # By shape, the one that was needed last at the end. Slots are given back by whichever
        # threads used the maps; a deque's append and pop are atomic.
        self._free: OrderedDict[tuple[int, ...], deque[Slot]] = OrderedDict()

    def take(self, shape: tuple[int, ...]) -> Slot:
        """A slot for N images of a height and width that nobody holds."""
        free = self._free.setdefault(shape, deque())
        self._free.move_to_end(shape)
        try:
            return free.pop()
        except IndexError:
            pass
        while len(self._free) > self._kept_shapes:
            self._free.popitem(last=False)  # its slots free their memory
        images, height, width = shape
        return self._runtime.make_slot(height, width, images)

    def give_back(self, slot: Slot) -> None:
        """Keeps a slot that nobody holds any more; by any thread."""
        free = self._free.get(slot.images.shape[:3])
        if free is not None:  # else many other sizes came since
            free.append(slot)

    def clear(self) -> None:
        """Frees the slots that nobody holds."""
        self._free.clear()


def lay_image(
    image: NDArray[np.uint8], alignments: Sequence[Alignment], views: Sequence[View], place: int
) -> None:
    """Lays one image of a batch into all its views; releases the GIL."""
    upright: NDArray[np.uint8] | None = None
    scales = iter(alignments)
    for view in views:
        target = view.slot.images[place]
        if view.mirrored:
            assert upright is not None
            cv2.flip(upright, 1, dst=target)
        else:
            next(scales).warp(image, out=target)
            upright = target


def split(members: Sequence[int], limit: int) -> Iterator[Sequence[int]]:
    """Parts of 1, 2, 4, ... members, at most `limit`: runtimes compile or record for every number
    of images they meet.
    """
    start = 0
    while start < len(members):
        count = 1 << (min(limit, len(members) - start).bit_length() - 1)
        yield members[start : start + count]
        start += count
