import threading

import pytest

from stream.policy import EVERY_FRAME
from stream.ring import RingBuffer, RingClosed
from stream.turns import TurnReader


def rings(count: int) -> tuple[list[RingBuffer[list[int]]], TurnReader[list[int]]]:
    signal = threading.Condition()
    made = [RingBuffer([[0] for _ in range(4)], policy=EVERY_FRAME, signal=signal) for _ in range(count)]
    return made, TurnReader(made, signal)


def put(ring: RingBuffer[list[int]], value: int) -> None:
    lease = ring.reserve()
    assert lease is not None
    lease.slot[0] = value
    lease.commit()


def test_rings_are_read_in_turns_and_each_in_order() -> None:
    (first, second), reader = rings(2)
    for value in range(3):
        put(first, value)
    put(second, 10)
    seen = []
    for _ in range(4):
        ((index, lease),) = reader.acquire(timeout_s=0)
        seen.append((index, lease.slot[0]))
        lease.release()
    assert seen == [(0, 0), (1, 10), (0, 1), (0, 2)]
    assert reader.acquire(timeout_s=0.01) == []


def test_one_closed_ring_does_not_end_the_others() -> None:
    (first, second), reader = rings(2)
    first.close("gone")
    threading.Timer(0.05, put, (second, 7)).start()
    ((index, _),) = reader.acquire(timeout_s=5)
    assert index == 1
    second.close("gone too")
    with pytest.raises(RingClosed):
        reader.acquire()
