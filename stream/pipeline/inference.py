"""The stage that gives images to the engine."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from configs import PoseStreamError
from stream.estimator import Estimator, PreparingEstimator
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


@dataclass(frozen=True, slots=True)
class _Taken:
    """Frames that are to be submitted together.

    Attributes:
        found: Number of the lane and lease of each.
        submit: Submits them, once all were laid into the network's input.
        cancel: Gives back what was prepared for them.
        laid: For each what tells when that was done and how long it took; none where `submit` does
            it.
    """

    found: list[tuple[int, Lease[Frame]]]
    submit: Callable[[], list[Any]]
    cancel: Callable[[], None]
    laid: list[Future[tuple[int, int]]]

    def is_laid(self) -> bool:
        return all(each.done() for each in self.laid)

    def release(self) -> None:
        """Gives back all that it holds, once no thread reads the frames any more."""
        for each in self.laid:
            # One that no thread has begun never says that it is done: who waits for it hangs.
            if not each.cancel():
                each.exception()
        self.cancel()
        for _, lease in self.found:
            lease.release()


class InferWorker(Worker):
    """Rings of the sources of one engine to maps, each source in its turn, with up to `in_flight`
    batches under way.

    Where the engine is fast, images of the next batches are laid into its input meanwhile, in
    threads of their own.

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
        self._taken: deque[_Taken] = deque()
        self._pending: deque[deque[_Submitted]] = deque()
        self._preparing: PreparingEstimator | None = None
        self._ahead = 0  # batches that may be laid while `in_flight` others are under way
        self._aligners: ThreadPoolExecutor | None = None
        if isinstance(estimator, PreparingEstimator) and estimator.align_threads:
            self._preparing = estimator
            self._ahead = max_ahead(estimator) if in_flight > 1 else 1
            self._align = context.timings.part(f"{name}: align")
            self._aligners = ThreadPoolExecutor(estimator.align_threads, f"{name} align")

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
        while not ended or self._taken or self._pending:
            try:
                if self._submit_taken() or (not ended and self._take_next()):
                    continue
            except Closed:
                ended = True
                continue
            except Exception as error:  # noqa: BLE001
                # Raised below, when what is under way has been finished.
                ended, failure = True, error
                self._drop_taken()
                continue
            if self._pending:
                self._deliver_oldest()
            elif self._taken:
                for each in self._taken[0].laid:
                    each.exception()  # waits; what went wrong is raised when it is submitted
        if failure is not None:
            raise failure

    def finish(self) -> None:
        if self._aligners is not None:
            self._aligners.shutdown(cancel_futures=True)
        self._drop_taken()
        while self._pending:
            for submitted in self._pending.popleft():
                # What is under way is waited for: its slots are the estimator's again then.
                with suppress(PoseStreamError):
                    self._estimator.result(submitted.ticket).release()
                submitted.lease.release()

    def _drop_taken(self) -> None:
        while self._taken:
            self._taken.popleft().release()

    def _take_next(self) -> bool:
        """Takes what is ready; waits for it only if nothing is under way. False if there is
        nothing.
        """
        open_batches = len(self._pending) + len(self._taken)
        if open_batches >= self._in_flight + self._ahead or len(self._taken) > self._ahead:
            return False
        idle, lanes = not open_batches, self._lanes
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
        images = [lease.slot.image for _, lease in found]
        if self._preparing is None or self._aligners is None:
            self._taken.append(
                _Taken(found, partial(self._estimator.submit_batch, images), _nothing, [])
            )
            return True
        try:
            preparation = self._preparing.prepare_batch(images)
        except BaseException:
            for _, lease in found:
                lease.release()
            raise
        laid = [self._aligners.submit(_timed, lay) for lay in preparation.lay]
        submit = partial(self._preparing.submit_prepared, preparation)
        cancel = partial(self._preparing.cancel, preparation)
        self._taken.append(_Taken(found, submit, cancel, laid))
        return True

    def _submit_taken(self) -> bool:
        """Submits the oldest batch that was taken, if it is ready and the engine has room."""
        if not self._taken or len(self._pending) >= self._in_flight:
            return False
        if not self._taken[0].is_laid():
            return False
        taken = self._taken.popleft()
        first, lease = taken.found[0]
        try:
            for (index, each), laid in zip(taken.found, taken.laid, strict=bool(taken.laid)):
                self._align.add(*laid.result(), each.slot.index, self._lanes[index].index)
            with self._submit.measure(lease.slot.index, first) as submit:
                tickets = taken.submit()
        except BaseException:
            taken.release()
            raise
        spent_ns = submit.spent_ns // len(tickets)
        self._pending.append(
            deque(
                _Submitted(self._lanes[index], each, ticket, submit.begin_ns, spent_ns)
                for (index, each), ticket in zip(taken.found, tickets, strict=True)
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


def max_ahead(estimator: Estimator) -> int:
    """Batches that may be laid into the network's input while others are under way, so that every
    thread that does it has an image; 0 where none does.
    """
    if not isinstance(estimator, PreparingEstimator) or not estimator.align_threads:
        return 0
    return max(1, estimator.align_threads // estimator.batch_size)


def _nothing() -> None:
    return


def _timed(call: Callable[[], None]) -> tuple[int, int]:
    begin_ns = time.perf_counter_ns()
    call()
    return begin_ns, time.perf_counter_ns()
