import logging

import pytest

from stream.pipeline.context import RunContext
from stream.pipeline.hand_over import Closed
from stream.pipeline.ring import RingBuffer
from stream.pipeline.timing import Timings
from stream.pipeline.worker import Worker
from tests.support.waiting import joined


class Failing(Worker):
    finished = False

    def work(self) -> None:
        raise ValueError("first")

    def finish(self) -> None:
        self.finished = True
        raise OSError("second")


def test_the_first_error_wins_and_both_ends_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    context = RunContext((), Timings())
    inbox, outbox = RingBuffer([object(), object()]), RingBuffer([object()])
    lease = inbox.reserve()
    assert lease is not None
    lease.commit()
    with caplog.at_level(logging.WARNING):
        worker = Failing("stage", context, inboxes=[inbox], outboxes=[outbox])
        worker.start()
        joined(worker)
    assert worker.finished
    assert isinstance(context.outcome.error, ValueError)
    assert "second" in caplog.text
    assert inbox.drops == {"stopped": 1}
    for ring in (inbox, outbox):
        with pytest.raises(Closed, match="stage ended"):
            ring.acquire()


class Done(Worker):
    def work(self) -> None:
        raise Closed("nothing more")


def test_the_end_of_a_ring_is_no_error() -> None:
    context = RunContext((), Timings())
    worker = Done("stage", context)
    worker.start()
    joined(worker)
    assert context.outcome.error is None
