"""Hand-over of objects between two threads: a bounded queue that both ends can close."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Closed(Exception):
    """Nothing more will come out, or nothing more may go in; the argument says why."""


class Releasable(Protocol):
    """Something that holds what has to be given back."""

    def release(self) -> None:
        """Gives it back; a second call does nothing."""


T = TypeVar("T", bound=Releasable)


class HandOver(Generic[T]):
    """At most `capacity` objects on their way from threads to another thread, in order.

    It owns what is in it: what nobody will take any more is released.

    Args:
        capacity: How many may wait; a writer with one more waits itself.
        name: For messages.
        writers: Threads that put objects in; each closes it once.
    """

    def __init__(self, capacity: int, name: str, writers: int = 1) -> None:
        if capacity < 1:
            raise ValueError(f"{name}: at least one must be able to wait, not {capacity}")
        self.name = name
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed: str | None = None
        self._writers = writers

    def put(self, item: T) -> None:
        """Takes `item`, as soon as there is room.

        Raises:
            Closed: Nobody takes anything any more; `item` was released.
        """
        with self._changed:
            while len(self._items) >= self._capacity and self._closed is None:
                self._changed.wait()
            if self._closed is None:
                self._items.append(item)
                self._changed.notify_all()
                return
        item.release()
        raise Closed(self._closed)

    def get(self, timeout_s: float | None = None) -> T | None:
        """The oldest object, now the caller's; None if there is none within `timeout_s`.

        Raises:
            Closed: Nothing is left, and nothing more will come.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not self._items:
                if self._closed is not None:
                    raise Closed(self._closed)
                rest_s = None if deadline_s is None else deadline_s - time.monotonic()
                if rest_s is not None and rest_s <= 0:
                    return None
                self._changed.wait(rest_s)
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self, reason: str = "end of stream") -> None:
        """One of the writers has ended; with the last one nothing more goes in. What is there still
        comes out.
        """
        with self._changed:
            self._writers -= 1
            if self._writers <= 0 and self._closed is None:
                self._closed = reason
            self._changed.notify_all()

    def fail(self, reason: str) -> None:
        """Nothing more goes in, from no writer; what is there still comes out."""
        with self._changed:
            if self._closed is None:
                self._closed = reason
            self._changed.notify_all()

    def abort(self, reason: str = "stopped") -> None:
        """Nothing more goes in or comes out; what is there is released. The first reason stays."""
        with self._changed:
            if self._closed is None:
                self._closed = reason
            left, self._items = self._items, deque()
            self._changed.notify_all()
        for item in left:  # outside the lock: releasing may take another one
            item.release()

    def __iter__(self) -> Iterator[T]:
        """Objects in order until it is closed; each is the caller's."""
        while True:
            try:
                item = self.get()
            except Closed:
                return
            if item is not None:
                yield item

    def __len__(self) -> int:
        """How many wait."""
        return len(self._items)
