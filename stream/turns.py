"""One reader for several rings, each ring in its turn, so that a busy source cannot starve the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Generic, TypeVar

from stream.ring import Lease, RingBuffer, RingClosed

T = TypeVar("T")


class TurnReader(Generic[T]):
    """Reads rings that were all made with the Condition `signal`. Rings that are closed and empty are passed over."""

    def __init__(self, rings: Sequence[RingBuffer[T]], signal: threading.Condition) -> None:
        self._rings = tuple(rings)
        self._signal = signal
        self._next = 0

    def acquire(self, timeout_s: float | None = None) -> tuple[int, Lease[T]] | None:
        """Which ring, and its oldest unread slot; None when `timeout_s` is over.

        Raises RingClosed when every ring is closed and nothing is left to read.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._signal:
            while True:
                found = self._take()
                if found is not None:
                    return found
                if all(ring.closed is not None for ring in self._rings):
                    raise RingClosed(self._rings[-1].closed)
                rest_s = None if deadline is None else deadline - time.monotonic()
                if rest_s is not None and rest_s <= 0:
                    return None
                self._signal.wait(rest_s)

    def _take(self) -> tuple[int, Lease[T]] | None:
        for turn in range(len(self._rings)):
            index = (self._next + turn) % len(self._rings)
            lease = self._rings[index].take()
            if lease is not None:
                self._next = index + 1
                return index, lease
        return None
