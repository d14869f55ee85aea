"""A runtime that computes nothing, in a time of its choice, as a GPU would while nobody waits."""

from __future__ import annotations

import time
import weakref
import zlib
from typing import Any

from engine import find_model
from engine.runtimes.base import Runtime, Slot, allocate_slot


def checksum(image: Any) -> int:
    """What `StandIn` finds in an image that was laid into the network's input."""
    return zlib.crc32(image.tobytes()) & 0xFFFF


class StandIn(Runtime):
    """Takes `engine_s` for each slot, one after the other; `marks` makes heatmaps the checksum of
    their own image.

    made: how many slots were.
    """

    name = "stand_in"
    device = "none"
    precision = "none"

    def __init__(self, engine_s: float = 0.0, *, marks: bool = False, usual_batch: int = 1) -> None:
        self.metadata = find_model("lite").metadata
        self.usual_batch = usual_batch
        self.made = 0
        self._images: list[weakref.ref[Any]] = []
        self._engine_s = engine_s
        self._marks = marks
        self._done_s = 0.0

    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        self.made += 1
        slot = allocate_slot(self.metadata, height, width, batch)
        self._images.append(weakref.ref(slot.images))
        return slot

    def alive(self) -> int:
        """How many slots were not dropped."""
        return sum(images() is not None for images in self._images)

    def submit(self, slot: Slot) -> Slot:
        self._done_s = max(self._done_s, time.perf_counter()) + self._engine_s
        slot.handle = self._done_s
        return slot

    def result(self, ticket: Slot) -> Slot:
        time.sleep(max(0.0, ticket.handle - time.perf_counter()))
        if self._marks:
            for image, heatmaps in zip(ticket.images, ticket.heatmaps, strict=True):
                heatmaps[:] = checksum(image)
        return ticket

    def close(self) -> None:
        pass
