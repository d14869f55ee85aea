import threading
import time

import pytest

from stream.pipeline.hand_over import Closed
from stream.pipeline.policy import EVERY_FRAME
from stream.pipeline.ring import RingBuffer
from stream.pipeline.round_robin import RoundRobinReader
from tests.support.waiting import LIMIT_S, measured, met


def rings(count: int) -> tuple[list[RingBuffer[list[int]]], RoundRobinReader[list[int]]]:
    signal = threading.Condition()
    made = [
        RingBuffer([[0] for _ in range(4)], policy=EVERY_FRAME, signal=signal) for _ in range(count)
    ]
    return made, RoundRobinReader(made, signal)


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
    ((index, _),) = reader.acquire(timeout_s=LIMIT_S)
    assert index == 1
    second.close("gone too")
    with pytest.raises(Closed):
        reader.acquire()


def test_a_ring_has_the_window_to_join_the_others() -> None:
    (first, second), reader = rings(2)
    put(first, 1)
    threading.Timer(0.05, put, (second, 2)).start()
    found = reader.acquire(2, window_s=LIMIT_S)
    assert [(index, lease.slot[0]) for index, lease in found] == [(0, 1), (1, 2)]


def test_what_is_ready_is_taken_together_one_of_each_ring_up_to_the_limit() -> None:
    made, reader = rings(3)
    for index, ring in enumerate(made):
        for value in range(2):
            put(ring, 10 * index + value)
    batches = [
        [lease.slot[0] for _, lease in reader.acquire(2, window_s=LIMIT_S)] for _ in range(3)
    ]
    assert batches == [[0, 10], [20, 1], [11, 21]]


def test_nobody_waits_for_a_ring_that_is_closed_or_not_awaited_or_when_there_is_only_one() -> None:
    (first, second), reader = rings(2)
    put(first, 1)
    assert len(reader.acquire(2, window_s=LIMIT_S, awaited=lambda index: index != 1)) == 1
    second.close("gone")
    put(first, 2)
    assert len(reader.acquire(2, window_s=LIMIT_S)) == 1
    (only,), reader = rings(1)
    put(only, 3)
    assert len(reader.acquire(4, window_s=LIMIT_S)) == 1


@measured
def test_a_ring_that_stays_empty_costs_the_window_and_no_more() -> None:
    (first, _), reader = rings(2)
    put(first, 1)
    begin_s = time.monotonic()
    assert len(reader.acquire(2, window_s=0.05)) == 1
    spent_s = time.monotonic() - begin_s
    assert spent_s >= 0.05
    met(spent_s < 5, f"0.05 s and not {spent_s}")
