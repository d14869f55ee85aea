"""Hand-over between two threads: a fixed number of slots, leases, and a policy for a reader that is
slower than the writer.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from stream.pipeline.hand_over import Closed
from stream.pipeline.policy import EVERY_FRAME, Policy

T = TypeVar("T")


class Lease(Generic[T]):
    """The right to one slot, for the writer until `commit`, for the reader until `release`. A slot
    has at most one lease.

    As a context manager it gives the slot and releases it at the end of the block.
    """

    __slots__ = ("_ring", "_writing", "index", "sequence", "slot", "stamp_ns")

    def __init__(
        self,
        ring: RingBuffer[T],
        index: int,
        slot: T,
        *,
        sequence: int,
        stamp_ns: int,
        writing: bool,
    ) -> None:
        self._ring: RingBuffer[T] | None = ring
        self._writing = writing
        self.index = index
        self.slot = slot
        self.sequence = sequence
        self.stamp_ns = stamp_ns

    def commit(self, stamp_ns: int | None = None) -> bool:
        """Publishes the slot.

        Args:
            stamp_ns: `time.monotonic_ns()` at which the content began to age; now, if not given.

        Returns:
            False if the ring was closed meanwhile, and the content is lost.
        """
        ring, self._ring = self._ring, None
        if ring is None or not self._writing:
            raise RuntimeError("only a write lease that is still held can be committed")
        return ring._commit(self.index, stamp_ns)  # noqa: SLF001 - a lease is part of its ring

    def release(self) -> None:
        """Gives the slot back, unread if it was written and not committed. May be called twice."""
        ring, self._ring = self._ring, None
        if ring is not None:
            ring._release(self.index, writing=self._writing)  # noqa: SLF001 - as above

    def __enter__(self) -> T:
        return self.slot

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class RingBuffer(Generic[T]):
    """A bounded queue of preallocated slots between one writer and one reader.

    The writer reserves a slot, fills it in place and commits it; the reader acquires the oldest
    committed slot and keeps it until it releases it, in any order. A leased slot is never
    overwritten. What the policy gives up is counted by cause:

        superseded  a newer frame came first (latest)
        stale       older than the budget when its turn came (max-age)
        full        no slot was free: the oldest unread one went (max-age), or the reader held them
                    all (latest, max-age)
        stopped     unread when the ring was aborted

    One Condition guards everything. A lock-free structure would gain nothing that can be measured
    here: a hop costs about 30 us, nearly all of it the wake-up of the other thread
    (docs/reference.md, section 6).

    Args:
        slots: The objects to hand over, made once by the caller.
        policy: What is given up when the reader is slower than the writer.
        name: For messages.
        signal: A Condition to share between rings that one reader waits for together; its own, if
            not given.
        on_drop: Called with each slot that is given up after it was committed, under the lock: it
            must be quick and not block.
        clock_ns: What the age of slots is measured with.
    """

    def __init__(
        self,
        slots: Iterable[T],
        *,
        policy: Policy = EVERY_FRAME,
        name: str = "ring",
        signal: threading.Condition | None = None,
        on_drop: Callable[[T], None] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._slots = tuple(slots)
        if not self._slots:
            raise ValueError("a ring needs at least one slot")
        self.name = name
        self.policy = policy
        self._signal = threading.Condition() if signal is None else signal
        self._on_drop = on_drop
        self._clock_ns = clock_ns
        self._free = deque(range(len(self._slots)))
        self._unread: deque[tuple[int, int, int]] = deque()  # slot, sequence number, time stamp
        self._writing = False
        self._committed = 0
        self._drops: Counter[str] = Counter()
        self._closed: str | None = None

    def reserve(self, timeout_s: float | None = None) -> Lease[T] | None:
        """A slot to write to; the writer may hold one at a time.

        Args:
            timeout_s: How long to wait for one with `every-frame`; for ever, if not given.

        Returns:
            The lease. None if the time is over, or (latest, max-age) the reader holds every slot,
            which counts as a drop.

        Raises:
            Closed: The ring is closed.
        """
        with self._signal:
            if self._writing:
                raise RuntimeError(f"{self.name}: the writer already holds a slot")
            if self.policy.kind == "every-frame":
                self._signal.wait_for(
                    lambda: bool(self._free) or self._closed is not None, timeout_s
                )
            if self._closed is not None:
                raise Closed(self._closed)
            if not self._free and self.policy.kind != "every-frame":
                if self._unread:
                    self._drop_oldest("superseded" if self.policy.kind == "latest" else "full")
                else:
                    self._drops["full"] += 1
            if not self._free:
                return None
            index = self._free.popleft()
            self._writing = True
            return Lease(
                self, index, self._slots[index], sequence=self._committed, stamp_ns=0, writing=True
            )

    def acquire(self, timeout_s: float | None = None) -> Lease[T] | None:
        """The oldest unread slot.

        Args:
            timeout_s: How long to wait for one; for ever, if not given.

        Returns:
            The lease; None when the time is over.

        Raises:
            Closed: The ring is closed and nothing is left to read.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._signal:
            while True:
                lease = self.take()
                if lease is not None:
                    return lease
                if self._closed is not None:
                    raise Closed(self._closed)
                rest_s = None if deadline is None else deadline - time.monotonic()
                if rest_s is not None and rest_s <= 0:
                    return None
                self._signal.wait(rest_s)

    def close(self, reason: str = "end of stream") -> None:
        """No more is written; the reader still gets what is unread. The first reason stays."""
        with self._signal:
            if self._closed is None:
                self._closed = reason
            self._signal.notify_all()

    def abort(self, reason: str = "stopped") -> None:
        """No more is written or read; what is unread counts as dropped. The first reason stays."""
        with self._signal:
            if self._closed is None:
                self._closed = reason
            while self._unread:
                self._drop_oldest("stopped")
            self._signal.notify_all()

    def __iter__(self) -> Iterator[Lease[T]]:
        """Leases in order until the ring is closed; each is the caller's to release."""
        while True:
            try:
                lease = self.acquire()
            except Closed:
                return
            if lease is not None:
                yield lease

    def __len__(self) -> int:
        """Unread slots."""
        return len(self._unread)

    @property
    def capacity(self) -> int:
        return len(self._slots)

    @property
    def committed(self) -> int:
        """Slots that were written so far."""
        return self._committed

    @property
    def closed(self) -> str | None:
        """Why nothing more is written; None while the ring is open."""
        return self._closed

    @property
    def drops(self) -> dict[str, int]:
        """Slots given up so far, by cause."""
        with self._signal:
            return dict(self._drops)

    @property
    def dropped(self) -> int:
        """Slots given up so far."""
        with self._signal:
            return sum(self._drops.values())

    def take(self) -> Lease[T] | None:
        """The oldest unread slot if there is one. For readers of several rings: they hold `signal`
        while they call it.
        """
        if self.policy.kind == "max-age":
            oldest_ns = self._clock_ns() - round(self.policy.max_age_s * 1e9)
            while self._unread and self._unread[0][2] < oldest_ns:
                self._drop_oldest("stale")
        if not self._unread:
            return None
        index, sequence, stamp_ns = self._unread.popleft()
        return Lease(
            self, index, self._slots[index], sequence=sequence, stamp_ns=stamp_ns, writing=False
        )

    def _drop_oldest(self, cause: str) -> None:
        index, _, _ = self._unread.popleft()
        self._drops[cause] += 1
        if self._on_drop is not None:
            self._on_drop(self._slots[index])
        self._free.append(index)

    def _commit(self, index: int, stamp_ns: int | None) -> bool:
        with self._signal:
            self._writing = False
            if self._closed is not None:
                self._free.append(index)
                self._drops["stopped"] += 1
                if self._on_drop is not None:
                    self._on_drop(self._slots[index])
                return False
            if self.policy.kind == "latest":
                while self._unread:
                    self._drop_oldest("superseded")
            self._unread.append(
                (index, self._committed, self._clock_ns() if stamp_ns is None else stamp_ns)
            )
            self._committed += 1
            self._signal.notify_all()
            return True

    def _release(self, index: int, *, writing: bool) -> None:
        with self._signal:
            self._free.append(index)
            if writing:
                self._writing = False
            self._signal.notify_all()
