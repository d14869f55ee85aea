"""What the stages behind the decoder hand to each other."""

from __future__ import annotations

from engine import PoseMaps
from grouping import People
from stream.frame import Frame
from stream.pipeline.ring import Lease, RingBuffer, RingClosed
from stream.sources import FrameSlot


class WorkItem:
    """One frame on its way, with what has been made of it so far. It owns the lease of the frame
    and the buffers of the maps.

    lane: which source it is from.
    maps: between inference and grouping. people: after grouping, in source pixels. drawn: whether
    they are in the image.
    """

    __slots__ = ("drawn", "lane", "lease", "maps", "people")

    def __init__(self) -> None:
        self.lane = -1
        self.lease: Lease[FrameSlot] | None = None
        self.maps: PoseMaps | None = None
        self.people: People | None = None
        self.drawn = False

    @property
    def frame(self) -> Frame:
        assert self.lease is not None, "an empty item has no frame"
        return self.lease.slot.frame

    def take(self, other: WorkItem) -> None:
        """Moves everything from `other` here."""
        self.lane, self.lease, self.maps, self.people = (
            other.lane,
            other.lease,
            other.maps,
            other.people,
        )
        self.drawn = other.drawn
        other.lease = other.maps = other.people = None
        other.drawn = False

    def clear(self) -> None:
        """Gives back everything that it holds. May be called twice."""
        if self.maps is not None:
            self.maps.release()
        if self.lease is not None:
            self.lease.release()
        self.lease = self.maps = self.people = None
        self.drawn = False


def send(item: WorkItem, ring: RingBuffer[WorkItem]) -> None:
    """Moves what the item holds into the ring, waiting for room; what cannot be sent is given
    back.

    Raises RingClosed if nobody reads the ring any more.
    """
    try:
        lease = ring.reserve()
        assert lease is not None, f"{ring.name} waits for room without a time limit"
        lease.slot.take(item)
        if not lease.commit():
            raise RingClosed(ring.closed)
    finally:
        item.clear()
