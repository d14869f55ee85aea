"""One reader for several rings, each ring in its turn, so that a busy source cannot starve the
others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from stream.pipeline.hand_over import Closed
from stream.pipeline.ring import Lease, RingBuffer

T = TypeVar("T")


def _everyone(index: int) -> bool:
    return True


class RoundRobinReader(Generic[T]):
    """Reads rings that were all made with the Condition `signal`. Rings that are closed and empty
    are passed over.
    """

    def __init__(self, rings: Sequence[RingBuffer[T]], signal: threading.Condition) -> None:
        self._rings = tuple(rings)
        self._signal = signal
        self._next = 0

    def acquire(
        self,
        limit: int = 1,
        *,
        timeout_s: float | None = None,
        window_s: float = 0.0,
        awaited: Callable[[int], bool] = _everyone,
    ) -> list[tuple[int, Lease[T]]]:
        """The oldest unread slots of several rings, one of each, with the number of the ring.

        Once there is one, the other rings have `window_s` to get one too.

        Args:
            limit: How many slots at most; once they are there, nothing is waited for.
            timeout_s: How long to wait for the first one; for ever, if not given.
            window_s: How long to wait for the others.
            awaited: Whether a ring is worth waiting for; one that is closed never is.

        Returns:
            Number and lease of each; empty after `timeout_s`.

        Raises:
            Closed: Every ring is closed and nothing is left to read.
        """
        with self._signal:
            found = self._first(limit, timeout_s)
            deadline_s = time.monotonic() + window_s
            while 0 < len(found) < limit and self._more_to_come(found, awaited):
                rest_s = deadline_s - time.monotonic()
                if rest_s <= 0:
                    break
                self._signal.wait(rest_s)
                self._take(found, limit)
            return found

    def _first(self, limit: int, timeout_s: float | None) -> list[tuple[int, Lease[T]]]:
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        found: list[tuple[int, Lease[T]]] = []
        while True:
            self._take(found, limit)
            if found:
                return found
            if all(ring.closed is not None for ring in self._rings):
                raise Closed(self._rings[-1].closed)
            rest_s = None if deadline_s is None else deadline_s - time.monotonic()
            if rest_s is not None and rest_s <= 0:
                return found
            self._signal.wait(rest_s)

    def _take(self, found: list[tuple[int, Lease[T]]], limit: int) -> None:
        """Adds what rings that are not in `found` have."""
        taken = {index for index, _ in found}
        count, first = len(self._rings), self._next
        for index in ((first + turn) % count for turn in range(count)):
            if len(found) == limit:
                return
            lease = None if index in taken else self._rings[index].take()
            if lease is not None:
                found.append((index, lease))
                self._next = index + 1

    def _more_to_come(
        self, found: list[tuple[int, Lease[T]]], awaited: Callable[[int], bool]
    ) -> bool:
        taken = {index for index, _ in found}
        return any(
            ring.closed is None and index not in taken and awaited(index)
            for index, ring in enumerate(self._rings)
        )
