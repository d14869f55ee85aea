import logging

import pytest

from stream.pipeline.ring import RingBuffer, RingClosed
from stream.pipeline.worker import Outcome, Worker


class Failing(Worker):
    finished = False

    def work(self) -> None:
        raise ValueError("first")

    def finish(self) -> None:
        self.finished = True
        raise OSError("second")


def test_the_first_error_wins_and_both_ends_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    outcome = Outcome()
    inbox, outbox = RingBuffer([object(), object()]), RingBuffer([object()])
    lease = inbox.reserve()
    assert lease is not None
    lease.commit()
    with caplog.at_level(logging.WARNING):
        worker = Failing("stage", outcome, inboxes=[inbox], outboxes=[outbox])
        worker.start()
        worker.join(5)
    assert worker.finished
    assert isinstance(outcome.error, ValueError)
    assert "second" in caplog.text
    assert inbox.drops == {"stopped": 1}
    for ring in (inbox, outbox):
        with pytest.raises(RingClosed, match="stage ended"):
            ring.acquire()


class Done(Worker):
    def work(self) -> None:
        raise RingClosed("nothing more")


def test_the_end_of_a_ring_is_no_error() -> None:
    outcome = Outcome()
    worker = Done("stage", outcome)
    worker.start()
    worker.join(5)
    assert outcome.error is None
