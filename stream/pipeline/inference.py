"""The stage that gives images to the engine."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stream.estimator import Estimator
from stream.frame import Frame
from stream.pipeline.context import RunContext
from stream.pipeline.hand_over import Closed, HandOver
from stream.pipeline.item import InferredItem
from stream.pipeline.lane import Lane
from stream.pipeline.ring import Lease
from stream.pipeline.round_robin import RoundRobinReader
from stream.pipeline.worker import Worker

_STAGE = re.compile(r"infer( \d+)?")


def is_engine(stage: str) -> bool:
    """Whether a stage is that of an engine, of which there may be several: `infer`, `infer 1`."""
    return _STAGE.fullmatch(stage) is not None


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A frame that was given to the engine at `begin_ns` (`time.perf_counter_ns()`), which took
    `spent_ns`, its share of the batch.
    """

    lane: Lane
    lease: Lease[Frame]
    ticket: Any
    begin_ns: int
    spent_ns: int


class InferWorker(Worker):
    """Rings of the sources of one engine to maps, each source in its turn, with up to `in_flight`
    batches under way.

    A batch is one frame of each source that has one, up to `estimator.batch_size`. Once the engine
    is idle and a frame is there, the other sources have `batch_window_s` to add theirs; where
    nothing can be added, or the engine is busy and the next result has to be taken, nobody waits.
    """

    def __init__(
        self,
        context: RunContext,
        reader: RoundRobinReader[Frame],
        outbox: HandOver[InferredItem],
        estimator: Estimator,
        lanes: Sequence[Lane],
        *,
        label: str = "",
        in_flight: int,
        batch_window_s: float,
    ) -> None:
        name = f"infer {label}".rstrip()
        super().__init__(name, context, inboxes=[lane.ring for lane in lanes], outboxes=(outbox,))
        self._lanes = tuple(lanes)
        self._reader = reader
        self._outbox = outbox
        self._estimator = estimator
        self._in_flight = in_flight
        self._batch_window_s = batch_window_s
        self._timer = context.timings.stage(name)
        self._submit = context.timings.part(f"{name}: submit")
        self._wait = context.timings.part(f"{name}: wait")
        self._depth = context.timings.depth(name)
        self._pending: deque[deque[_Submitted]] = deque()

    def work(self) -> None:
        try:
            self._infer()
        except Closed:
            raise
        except BaseException:
            # The run ends with it; other engines, which may be well for days, end now.
            self._outbox.fail(f"{self.name} failed")
            raise

    def _infer(self) -> None:
        ended = False
        failure: Exception | None = None
        while not ended or self._pending:
            if not ended and len(self._pending) < self._in_flight:
                try:
                    if self._submit_next():
                        continue
                except Closed:
                    ended = True
                    continue
                except Exception as error:  # noqa: BLE001
                    # Raised below, when what is under way has been finished.
                    ended, failure = True, error
                    continue
            self._deliver_oldest()
        if failure is not None:
            raise failure

    def finish(self) -> None:
        for batch in self._pending:
            for submitted in batch:
                submitted.lease.release()
        self._pending.clear()

    def _submit_next(self) -> bool:
        """Submits what is ready; waits for it only if nothing is under way. False if there is
        nothing.
        """
        idle, lanes = not self._pending, self._lanes
        found = self._reader.acquire(
            min(self._estimator.batch_size, len(lanes)),
            timeout_s=None if idle else 0,
            window_s=self._batch_window_s if idle else 0,
            awaited=self._is_awaited,
        )
        if not found:
            return False
        for index, _ in found:
            self._depth.add(len(lanes[index].ring))
        first, lease = found[0]
        try:
            with self._submit.measure(lease.slot.index, first) as submit:
                tickets = self._estimator.submit_batch([lease.slot.image for _, lease in found])
        except BaseException:
            for _, lease in found:
                lease.release()
            raise
        spent_ns = submit.spent_ns // len(found)
        self._pending.append(
            deque(
                _Submitted(lanes[index], lease, ticket, submit.begin_ns, spent_ns)
                for (index, lease), ticket in zip(found, tickets, strict=True)
            )
        )
        return True

    def _deliver_oldest(self) -> None:
        """Waits for the oldest batch and sends its maps on."""
        batch = self._pending[0]
        while batch:
            submitted = batch[0]
            frame, source = submitted.lease.slot, submitted.lane.index
            with self._wait.measure(frame.index, source) as wait:
                maps = self._estimator.result(submitted.ticket)
            item = InferredItem(submitted.lane, submitted.lease, maps)
            batch.popleft()  # not before: until here the lease is given back with the batch
            spent_ns = submitted.spent_ns + wait.spent_ns
            self._timer.add(submitted.begin_ns, wait.end_ns, frame.index, source, spent_ns=spent_ns)
            frame.left_ns["infer"] = time.monotonic_ns()
            self._outbox.put(item)
        self._pending.popleft()

    def _is_awaited(self, index: int) -> bool:
        return self._lanes[index].source.health.state == "running"
