"""What the stages behind the decoder hand on: one frame, and what was made of it so far."""

from __future__ import annotations

from engine import PoseMaps
from grouping import People
from stream.frame import Frame
from stream.pipeline.lane import Lane
from stream.pipeline.ring import Lease


class WorkItem:
    """A frame on its way. One owner at a time, who hands it on or releases it.

    Attributes:
        lane: The lane of its source.
        frame: The frame; its slot is leased until `release`.
    """

    __slots__ = ("_lease", "frame", "lane")

    def __init__(self, lane: Lane, lease: Lease[Frame]) -> None:
        self.lane = lane
        self.frame: Frame = lease.slot
        self._lease = lease

    def release(self) -> None:
        """Gives back everything that it holds; a second call does nothing."""
        self._lease.release()


class InferredItem(WorkItem):
    """A frame with its maps, between inference and grouping.

    Attributes:
        maps: What the engine made of the frame; released with the item.
    """

    __slots__ = ("maps",)

    def __init__(self, lane: Lane, lease: Lease[Frame], maps: PoseMaps) -> None:
        super().__init__(lane, lease)
        self.maps = maps

    def release(self) -> None:
        self.maps.release()
        super().release()

    def grouped(self, people: People, *, keep_maps: bool) -> GroupedItem:
        """The same frame with its people; what this item held is the new one's."""
        if not keep_maps:
            self.maps.release()
        return GroupedItem(self.lane, self._lease, people, self.maps if keep_maps else None)


class GroupedItem(WorkItem):
    """A frame with its people, from grouping on.

    Attributes:
        people: In displayed source pixels.
        maps: Kept for those who want to see them; None where nobody does.
        drawn: Whether the people are in the image of the frame.
    """

    __slots__ = ("drawn", "maps", "people")

    def __init__(
        self, lane: Lane, lease: Lease[Frame], people: People, maps: PoseMaps | None
    ) -> None:
        super().__init__(lane, lease)
        self.people = people
        self.maps = maps
        self.drawn = False

    def release_maps(self) -> None:
        """Gives the maps back before the frame."""
        maps, self.maps = self.maps, None
        if maps is not None:
            maps.release()

    def release(self) -> None:
        self.release_maps()
        super().release()
