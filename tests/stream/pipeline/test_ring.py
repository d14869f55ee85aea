import threading
import time

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from stream.pipeline.hand_over import Closed
from stream.pipeline.policy import EVERY_FRAME, LATEST, Policy
from stream.pipeline.ring import Lease, RingBuffer
from tests.support.waiting import joined, measured, met

MAX_AGE = Policy(kind="max-age", max_age_s=1.0)
POLICIES = (EVERY_FRAME, LATEST, MAX_AGE)


class Slot:
    """What a ring hands over in these tests: the number that was written last."""

    value = -1


class RingAgainstModel(RuleBasedStateMachine):
    """The ring compared with lists: any order of reserve, commit, discard, acquire, release,
    waiting, close and abort.
    """

    held = Bundle("held")

    @initialize(policy=st.sampled_from(POLICIES), capacity=st.integers(1, 5))
    def start(self, policy: Policy, capacity: int) -> None:
        self.now_ns = 10**12
        self.dropped_slots = 0
        self.ring = RingBuffer(
            [Slot() for _ in range(capacity)],
            policy=policy,
            clock_ns=lambda: self.now_ns,
            on_drop=lambda slot: setattr(self, "dropped_slots", self.dropped_slots + 1),
        )
        self.capacity = capacity
        self.policy = policy
        self.writing: Lease[Slot] | None = None
        self.unread: list[tuple[int, int]] = []  # value, time stamp
        self.reading: dict[int, tuple[Slot, int]] = {}  # by index; the value it must keep
        self.written = self.read = self.given_up = self.refused = 0
        self.last_read = -1
        self.closed = False

    def free(self) -> int:
        return self.capacity - len(self.unread) - len(self.reading) - (self.writing is not None)

    @precondition(lambda self: self.writing is None)
    @rule()
    def reserve(self) -> None:
        free = self.free()
        if self.closed:
            with pytest.raises(Closed):
                self.ring.reserve(timeout_s=0)
            return
        lease = self.ring.reserve(timeout_s=0)
        if free == 0 and self.policy.kind != "every-frame":
            if self.unread:
                self.unread.pop(0)
                self.given_up += 1
                assert lease is not None
            else:
                self.refused += 1
                assert lease is None
        else:
            assert (lease is not None) == (free > 0)
        if lease is not None:
            assert lease.index not in self.reading, "a leased slot was handed to the writer"
            self.writing = lease

    @precondition(lambda self: self.writing is not None)
    @rule()
    def commit(self) -> None:
        assert self.writing is not None
        self.writing.slot.value = self.written
        accepted = self.writing.commit()
        self.writing = None
        assert accepted != self.closed
        if self.closed:
            self.given_up += 1
        else:
            if self.policy.kind == "latest":
                self.given_up += len(self.unread)
                self.unread.clear()
            self.unread.append((self.written, self.now_ns))
        self.written += 1

    @precondition(lambda self: self.writing is not None)
    @rule()
    def discard(self) -> None:
        assert self.writing is not None
        self.writing.release()
        self.writing.release()
        self.writing = None

    @rule(target=held)
    def acquire(self) -> Lease[Slot] | None:
        if self.policy.kind == "max-age":
            fresh = [item for item in self.unread if self.now_ns - item[1] <= 10**9]
            self.given_up += len(self.unread) - len(fresh)
            self.unread = fresh
        if not self.unread and self.closed:
            with pytest.raises(Closed):
                self.ring.acquire(timeout_s=0)
            return None
        lease = self.ring.acquire(timeout_s=0)
        if not self.unread:
            assert lease is None
            return None
        value, _ = self.unread.pop(0)
        assert lease is not None
        assert lease.slot.value == value
        assert value > self.last_read, "out of order, or read twice"
        self.last_read = value
        self.reading[lease.index] = lease.slot, value
        self.read += 1
        return lease

    @rule(lease=consumes(held))
    def release(self, lease: Lease[Slot] | None) -> None:
        if lease is not None:
            lease.release()
            lease.release()
            del self.reading[lease.index]

    @rule(milliseconds=st.integers(1, 700))
    def wait(self, milliseconds: int) -> None:
        self.now_ns += milliseconds * 10**6

    @rule()
    def close(self) -> None:
        self.ring.close("closed")
        self.closed = True

    @rule()
    def abort(self) -> None:
        self.ring.abort("aborted")
        self.closed = True
        self.given_up += len(self.unread)
        self.unread.clear()

    @invariant()
    def every_frame_is_accounted_for(self) -> None:
        assert len(self.ring) == len(self.unread)
        assert self.ring.dropped == self.given_up + self.refused
        assert self.dropped_slots == self.given_up
        assert self.written == self.read + self.given_up + len(self.unread)
        if self.policy.kind == "every-frame" and not self.closed:
            assert self.ring.dropped == 0
        if self.policy.kind == "latest":
            assert len(self.ring) <= 1

    @invariant()
    def leased_slots_keep_their_content(self) -> None:
        for slot, value in self.reading.values():
            assert slot.value == value


RingAgainstModel.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
test_ring_against_model = RingAgainstModel.TestCase


def write(ring: RingBuffer[np.ndarray], count: int) -> None:
    """Writes 0..count-1, each into every element of the slot, so that a torn frame can be told."""
    try:
        for value in range(count):
            lease = ring.reserve()
            if lease is not None:
                lease.slot[:] = value
                lease.commit()
    finally:
        ring.close()


def arrays(count: int) -> list[np.ndarray]:
    return [np.full(4096, -1, np.int64) for _ in range(count)]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("capacity", [3, 8])
def test_two_threads_lose_nothing_that_is_not_counted_and_tear_no_frame(
    policy: Policy, capacity: int
) -> None:
    ring = RingBuffer(arrays(capacity), policy=policy)
    writer = threading.Thread(target=write, args=(ring, 3000))
    writer.start()
    seen = []
    for lease in ring:
        with lease as slot:
            first = int(slot[0])
            if first % 64 == 0:
                time.sleep(0.0005)
            assert (slot == first).all()
            seen.append(first)
    joined(writer)
    assert seen == sorted(set(seen))
    assert len(seen) + ring.dropped == 3000
    assert (ring.dropped == 0) == (policy == EVERY_FRAME) or policy == MAX_AGE
    assert ring.drops.keys() <= {"superseded", "full", "stale"}


def test_a_reader_that_keeps_leases_never_sees_them_change() -> None:
    ring = RingBuffer(arrays(5), policy=LATEST)
    writer = threading.Thread(target=write, args=(ring, 5000))
    writer.start()
    kept: list[tuple[Lease[np.ndarray], int]] = []
    for lease in ring:
        kept.append((lease, int(lease.slot[0])))
        for old, value in kept:
            assert (old.slot == value).all()
        if len(kept) == 3:
            kept.pop(0)[0].release()
    joined(writer)
    assert kept


def test_latest_gives_the_newest_frame() -> None:
    ring = RingBuffer([Slot() for _ in range(4)], policy=LATEST)
    for value in range(10):
        lease = ring.reserve()
        assert lease is not None
        lease.slot.value = value
        lease.commit()
    lease = ring.acquire(timeout_s=0)
    assert lease is not None
    assert lease.slot.value == 9
    assert ring.drops == {"superseded": 9}


@pytest.mark.parametrize("end", ["close", "abort"])
def test_closing_wakes_a_reader_and_a_writer_that_wait(end: str) -> None:
    reasons: list[str] = []

    def wait(call: object) -> None:
        with pytest.raises(Closed) as caught:
            call()  # type: ignore[operator]
        reasons.append(str(caught.value))

    empty = RingBuffer([Slot()])
    full = RingBuffer([Slot()])
    lease = full.reserve()
    assert lease is not None
    lease.commit()
    threads = [
        threading.Thread(target=wait, args=(call,)) for call in (empty.acquire, full.reserve)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    for ring in (empty, full):
        getattr(ring, end)("enough")
    joined(*threads)
    assert reasons == ["enough", "enough"]


def test_what_was_committed_before_close_is_still_read() -> None:
    ring = RingBuffer([Slot() for _ in range(3)])
    for _ in range(2):
        lease = ring.reserve()
        assert lease is not None
        lease.commit()
    ring.close("end")
    ring.close("later reason")
    assert len(list(ring)) == 2
    with pytest.raises(Closed, match="end"):
        ring.acquire()


@measured
def test_a_timed_wait_ends_in_time() -> None:
    ring = RingBuffer([Slot()])
    start = time.monotonic()
    assert ring.acquire(timeout_s=0.05) is None
    lease = ring.reserve()
    assert lease is not None
    lease.commit()
    assert ring.reserve(timeout_s=0.05) is None
    spent_s = time.monotonic() - start
    assert spent_s > 0.09
    met(spent_s < 2, f"0.1 s and not {spent_s}")


def test_a_writer_holds_one_slot_at_a_time_and_commits_it_once() -> None:
    ring = RingBuffer([Slot(), Slot()])
    lease = ring.reserve()
    assert lease is not None
    with pytest.raises(RuntimeError, match="already holds"):
        ring.reserve()
    lease.commit()
    with pytest.raises(RuntimeError, match="committed"):
        lease.commit()
    with pytest.raises(ValueError, match="slot"):
        RingBuffer([])
