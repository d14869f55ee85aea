"""The hand-over against a list: order, bounds, who releases what, and both ways to end it."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.pipeline.hand_over import Closed, HandOver
from tests.support.waiting import joined


class Token:
    """Counts how often it was released."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.released = 0

    def release(self) -> None:
        self.released += 1


def waiting(hand_over: HandOver[Token]) -> list[int]:
    found = []
    while len(hand_over):
        item = hand_over.get(timeout_s=0)
        assert item is not None
        found.append(item.number)
    return found


@settings(deadline=None)
@given(
    capacity=st.integers(1, 4),
    steps=st.lists(st.sampled_from(["put", "get", "close", "abort"]), max_size=30),
)
def test_it_does_what_a_list_does(capacity: int, steps: list[str]) -> None:
    hand_over, model = HandOver[Token](capacity, "test"), []  # type: ignore[var-annotated]
    made: list[Token] = []
    closed = False
    for step in steps:
        if step == "put" and (closed or len(model) < capacity):
            token = Token(len(made))
            made.append(token)
            if closed:
                with pytest.raises(Closed):
                    hand_over.put(token)
                assert token.released == 1
            else:
                hand_over.put(token)
                model.append(token.number)
        elif step == "get":
            if model:
                item = hand_over.get(timeout_s=0)
                assert item is not None
                assert item.number == model.pop(0)
                assert item.released == 0, "what comes out is the reader's to release"
            elif closed:
                with pytest.raises(Closed):
                    hand_over.get(timeout_s=0)
            else:
                assert hand_over.get(timeout_s=0) is None
        elif step == "close":
            hand_over.close()
            closed = True
        elif step == "abort":
            hand_over.abort()
            assert [made[number].released for number in model] == [1] * len(model)
            model.clear()
            closed = True
        assert len(hand_over) == len(model)
    assert waiting(hand_over) == model


def test_a_writer_waits_for_room_and_a_reader_for_something() -> None:
    hand_over = HandOver[Token](2, "test")
    numbers: list[int] = []

    def read() -> None:
        for item in hand_over:
            time.sleep(0.001)
            numbers.append(item.number)
            assert len(hand_over) <= 2

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        hand_over.put(Token(number))
    hand_over.close()
    joined(reader)
    assert numbers == list(range(100))


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_writer_that_waits_learns_of_the_end(end: str) -> None:
    hand_over = HandOver[Token](1, "test")
    hand_over.put(Token(0))
    late, raised = Token(1), []

    def write() -> None:
        try:
            hand_over.put(late)
        except Closed as error:
            raised.append(str(error))

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.05)
    getattr(hand_over, end)("no more")
    joined(writer)
    assert raised == ["no more"]
    assert late.released == 1


def test_the_first_reason_stays() -> None:
    hand_over = HandOver[Token](1, "test")
    hand_over.close("first")
    hand_over.abort("second")
    with pytest.raises(Closed, match="first"):
        hand_over.get()


def test_one_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        HandOver[Token](0, "test")


def test_the_last_of_several_writers_closes_it_and_a_failure_of_one_does() -> None:
    shared = HandOver[Token](4, "test", writers=2)
    shared.close("the first ended")
    shared.put(Token(7))
    shared.close("the second ended")
    with pytest.raises(Closed, match="the second ended"):
        shared.put(Token(8))
    assert waiting(shared) == [7]

    shared = HandOver[Token](4, "test", writers=2)
    shared.put(Token(7))
    shared.fail("one of them failed")
    with pytest.raises(Closed, match="one of them failed"):
        shared.put(Token(8))
    assert waiting(shared) == [7]
