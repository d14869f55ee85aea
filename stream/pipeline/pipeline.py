"""Sources, engine, grouping and sinks, wired together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from configs import ExecutionError, SourceError
from grouping import People
from stream.estimator import Estimator, Group, PreparingEstimator, device_of
from stream.frame import Frame
from stream.pipeline.config import PipelineConfig
from stream.pipeline.context import RunContext
from stream.pipeline.hand_over import Closed, HandOver
from stream.pipeline.inference import InferWorker, max_ahead
from stream.pipeline.item import GroupedItem, InferredItem
from stream.pipeline.lane import Lane
from stream.pipeline.outlet import Outlet
from stream.pipeline.policy import EVERY_FRAME, Policy
from stream.pipeline.process import tuned_process
from stream.pipeline.progress import Progress, progress_of
from stream.pipeline.ring import RingBuffer
from stream.pipeline.round_robin import RoundRobinReader
from stream.pipeline.sampling import FrameSampler
from stream.pipeline.stages import InsertedStageWorker, Stage, stage_names
from stream.pipeline.summary import Summary, summary_of
from stream.pipeline.timing import Timings
from stream.pipeline.worker import Worker
from stream.pipeline.workers import (
    DecodeWorker,
    GroupWorker,
    RenderWorker,
    WriteWorker,
    run_info,
)
from stream.render.renderer import Renderer
from stream.sinks import Sink
from stream.sources import Source

logger = logging.getLogger(__name__)

# frames that may wait in front of a stage: evens out jitter; more only adds delay and memory
_WAITING = 2
_TICK_S = 0.1  # how often progress is told, and how soon a signal is seen
_STOP_S = 1.0  # for what is under way to be finished after `stop`
_JOIN_S = 0.5  # for threads to see that everything is closed
_FINISH_S = 30.0  # for the sinks to finish their files, which takes longer the larger they are

Item = TypeVar("Item", InferredItem, GroupedItem)


class Pipeline:
    """Decode, infer, group, render and write, one thread each, joined by bounded hand-overs.

    Order is kept for each source. A context manager: leaving it ends every thread.

    Args:
        sources: Opened by the caller, who closes them; nobody else may use them meanwhile.
        estimator: Images to maps; several share the sources, the first of which goes to the first,
            and each source stays with its own.
        group: Maps to people.
        sinks: For each source, what its results go to; opened, written and closed by the pipeline.
        renderers: For each source, what draws its images; needed if a sink wants them, and used
            only then.
        stages: Steps of the user's own between grouping and rendering, in this order, each in a
            thread of its own.
        options: How frames go through.
        source_options: For each source, which of its frames are used, where that is not what
            `options` says; None where it is.
        timings: Where everything is measured; new ones by default.

    Attributes:
        timings: What was measured.

    Example:
        with Pipeline([source], estimator, group, sinks=[[JsonLinesSink("out.jsonl")]]) as pipeline:
            summary = pipeline.run()
    """

    def __init__(
        self,
        sources: Sequence[Source],
        estimator: Estimator | Sequence[Estimator],
        group: Group,
        *,
        sinks: Sequence[Sequence[Sink]] = (),
        renderers: Sequence[Renderer] = (),
        stages: Sequence[Stage] = (),
        options: PipelineConfig | None = None,
        source_options: Sequence[PipelineConfig | None] = (),
        timings: Timings | None = None,
    ) -> None:
        options = options or PipelineConfig()
        for index, source in enumerate(sources):
            if not renderers and sinks and any(sink.needs_image for sink in sinks[index]):
                raise ValueError(
                    f"a sink of {source.name!r} wants images, and there is no renderer to draw them"
                )
        self.timings = timings or Timings()
        self._left_behind: list[Worker] = []
        self._estimators = _as_sequence(estimator)[: max(1, len(sources))]
        self._group = group
        self._stages = tuple(stages)
        self._workers: list[Worker] = []
        self._hand_overs: list[HandOver[InferredItem] | HandOver[GroupedItem]] = []
        self._stop_at_s: float | None = None
        self._stopping = False
        self._over = False
        self._used = False
        each = [mine or options for mine in source_options or [None] * len(sources)]
        policies = [
            mine.policy_for(live=source.live) for source, mine in zip(sources, each, strict=True)
        ]
        self._waiting = _WAITING if EVERY_FRAME in policies else 1
        self._in_flight = options.in_flight or (
            max(each.in_flight for each in self._estimators) if EVERY_FRAME in policies else 1
        )
        self._batch_window_s = options.batch_window_ms * 1e-3
        signals = [threading.Condition() for _ in self._estimators]
        lanes = tuple(
            Lane(
                index=index,
                source=source,
                ring=self._frame_ring(
                    f"frames of {source.name}", policies[index], signals[index % len(signals)]
                ),
                outlets=tuple(Outlet(sink, live=source.live) for sink in sinks[index])
                if sinks
                else (),
                renderer=renderers[index] if renderers else None,
                sampler=FrameSampler.of(each[index]),
                label=str(index) if len(sources) > 1 else "",
                device=device_of(self._estimators[index % len(signals)]),
            )
            for index, source in enumerate(sources)
        )
        self._shares = [lanes[first :: len(signals)] for first in range(len(signals))]
        self._readers = [
            RoundRobinReader([lane.ring for lane in share], signal)
            for share, signal in zip(self._shares, signals, strict=True)
        ]
        self._context = RunContext(lanes, self.timings)
        for lane in lanes:
            lane.attach_controls(self.stop, lambda: self._stop_at_s is not None, self._is_over)

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Runs until every source has ended, `stop` is called or something fails.

        All sinks are finished in each case. A sink that fails is left out from then on; its error
        is raised when the others have everything, and at once only where there are no others. Can
        be called once.

        Args:
            on_progress: Called about ten times a second in the caller's thread.

        Returns:
            What the run came to.

        Raises:
            PoseStreamError: The first error of any stage, after everything has been finished.
        """
        writer = self._start_writing(self._start_people())
        with tuned_process():
            self._begin()
            while writer.is_alive() and not self._overdue():
                writer.join(_TICK_S)
                self._see_stop()
                if on_progress is not None:
                    on_progress(self._progress(finished=False))
            self._shut_down()
        if on_progress is not None:
            on_progress(self._progress(finished=True))
        if self._context.outcome.error is not None:
            raise self._context.outcome.error
        return self.summary()

    def results(self) -> Iterator[tuple[Frame, People]]:
        """Frames and people in order, each after the sinks have it, if there are any.

        Can be used once; leaving the loop ends the run and finishes the sinks.

        Yields:
            A frame, lent until the next one is asked for, and its people in displayed source
            pixels. Where a sink wants images, the people are drawn into the frame's.

        Raises:
            PoseStreamError: The first error of any stage.
        """
        inbox = self._start_people()
        written = any(lane.outlets for lane in self._context.lanes)
        if written:
            people, inbox = inbox, self._hand_over("written", 1, GroupedItem)
            self._start_writing(people, inbox)
        with tuned_process():
            self._begin()
            try:
                while True:
                    self._see_stop()
                    try:
                        item = inbox.get(timeout_s=_TICK_S)
                    except Closed:
                        break
                    if item is None:
                        continue
                    try:
                        if not written:
                            self._context.deliver(item.lane, item.frame, item.people)
                            item.lane.count(len(item.people))
                        yield item.frame, item.people
                    finally:
                        item.release()
            finally:
                self._shut_down()
        if self._context.outcome.error is not None:
            raise self._context.outcome.error

    def stop(self) -> None:
        """Ends the run soon: what is under way is finished within a second, the rest is dropped.

        For any thread, and for signal handlers: it takes no lock, which the thread that was
        interrupted might hold.
        """
        if self._stop_at_s is None:
            self._stop_at_s = time.monotonic()

    def summary(self) -> Summary:
        """What the run has come to so far."""
        return summary_of(self._context, stopped=self._stop_at_s is not None)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """One per source, to be looked at while it runs."""
        return self._context.lanes

    @property
    def error(self) -> BaseException | None:
        """What ends the run; None while all is well."""
        return self._context.outcome.error

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Stages that hung in foreign code when the run ended, and still do: their threads may be
        using engine and sources.
        """
        return tuple(worker.name for worker in self._left_behind if worker.is_alive())

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shut_down()
        for worker in self._left_behind:
            if isinstance(worker, InferWorker):
                # Whoever opened the engine closes it next; native code that is still in it would
                # abort the process.
                worker.join(_FINISH_S)

    def _start_people(self) -> HandOver[GroupedItem]:
        """Makes the workers up to the people that everybody behind sees; gives where those come."""
        maps = self._start_inference()
        people = self._hand_over("people", self._waiting, GroupedItem)
        self._workers.append(GroupWorker(self._context, maps, people, self._group))
        for name, stage in zip(stage_names(self._stages), self._stages, strict=True):
            outbox = self._hand_over(f"people of {name}", self._waiting, GroupedItem)
            self._workers.append(InsertedStageWorker(name, self._context, people, outbox, stage))
            people = outbox
        return people

    def _start_writing(
        self, people: HandOver[GroupedItem], outbox: HandOver[GroupedItem] | None = None
    ) -> WriteWorker:
        """Makes the workers from people to sinks; frames that were written go to `outbox`."""
        runs = [run_info(self._estimator_of(lane)) for lane in self._context.lanes]
        if any(lane.draws for lane in self._context.lanes):
            annotated = self._hand_over("annotated", self._waiting, GroupedItem)
            self._workers.append(RenderWorker(self._context, people, annotated, runs))
            people = annotated
        writer = WriteWorker(self._context, people, runs, outbox)
        self._workers.append(writer)
        return writer

    def _start_inference(self) -> HandOver[InferredItem]:
        """Makes the workers up to the maps."""
        if self._used:
            raise RuntimeError("a pipeline runs once; make a new one")
        self._used = True
        engines = list(zip(self._estimators, self._shares, self._readers, strict=True))
        batch = sum(min(estimator.batch_size, len(share)) for estimator, share, _ in engines)
        # room for all of a batch, so that the next one is submitted at once
        maps = self._hand_over("maps", self._waiting * batch, InferredItem, len(engines))
        self._workers += [DecodeWorker(self._context, lane) for lane in self._context.lanes]
        self._workers += [
            InferWorker(
                self._context,
                reader,
                maps,
                estimator,
                share,
                label=str(index) if len(engines) > 1 else "",
                in_flight=self._in_flight,
                batch_window_s=self._batch_window_s,
            )
            for index, (estimator, share, reader) in enumerate(engines)
        ]
        return maps

    def _frame_ring(
        self, name: str, policy: Policy, signal: threading.Condition
    ) -> RingBuffer[Frame]:
        # Waiting to be read, being written, with the engine, and in every stage behind it one at
        # work and those that wait.
        behind = 3 + len(self._stages)  # group, render, write
        ahead = max(max_ahead(each) for each in self._estimators)
        count = _WAITING + 2 + self._in_flight + ahead + behind * (self._waiting + 1)
        return RingBuffer([Frame() for _ in range(count)], policy=policy, name=name, signal=signal)

    def _hand_over(
        self, name: str, capacity: int, kind: type[Item], writers: int = 1
    ) -> HandOver[Item]:
        hand_over = HandOver[Item](capacity, name, writers)
        self._hand_overs.append(hand_over)
        return hand_over

    def _warm_up(self) -> None:
        """Prepares fast engines for the sources whose sizes are known: what they compile, record
        and allocate for a size, and for two or four at a time, would stall the first frames.
        """
        for estimator, lanes in zip(self._estimators, self._shares, strict=True):
            if max_ahead(estimator) and isinstance(estimator, PreparingEstimator):
                infos = [lane.source.info for lane in lanes]
                sizes = [(info.height, info.width) for info in infos if info is not None]
                most = min(estimator.batch_size, len(lanes))
                estimator.warm_up(sizes, [1 << power for power in range(most.bit_length())])

    def _begin(self) -> None:
        self._warm_up()
        self.timings.begin()
        for worker in reversed(self._workers):
            worker.start()

    def _estimator_of(self, lane: Lane) -> Estimator:
        return self._estimators[lane.index % len(self._estimators)]

    def _progress(self, *, finished: bool) -> Progress:
        return progress_of(self._context.lanes, elapsed_s=self.timings.elapsed_s, finished=finished)

    def _see_stop(self) -> None:
        if self._stop_at_s is not None and not self._stopping:
            self._stopping = True
            self._interrupt("stopped")

    def _is_over(self) -> bool:
        error = self.error  # a source's ends the others no sooner
        return self._over or (error is not None and not isinstance(error, SourceError))

    def _overdue(self) -> bool:
        return self._stop_at_s is not None and time.monotonic() - self._stop_at_s > _STOP_S

    def _interrupt(self, reason: str) -> None:
        for lane in self._context.lanes:
            lane.source.interrupt()
            lane.ring.abort(reason)

    def _shut_down(self) -> None:
        """Ends every thread; one that hangs in foreign code is left behind, said aloud, after a
        deadline.
        """
        self._over = True
        self._interrupt("the run is over")
        for hand_over in self._hand_overs:
            hand_over.abort("the run is over")
        started = [worker for worker in self._workers if worker.ident is not None]
        begin_s = time.monotonic()
        for worker in reversed(started):
            # Files are always finished. The engine is waited for as well, because what it is in the
            # middle of cannot be taken from it, unless somebody wants to leave.
            patient = isinstance(worker, WriteWorker) or (
                isinstance(worker, InferWorker) and self._stop_at_s is None
            )
            budget_s = _FINISH_S if patient else _JOIN_S
            worker.join(max(0.0, begin_s + budget_s - time.monotonic()))
        self.timings.end()
        self._workers.clear()
        hanging = [worker.name for worker in started if worker.is_alive()]
        if hanging:
            self._left_behind = [worker for worker in started if worker.is_alive()]
            logger.warning("left behind, still busy: %s", ", ".join(hanging))
            if self._stop_at_s is None:
                self._context.outcome.fail(
                    ExecutionError(f"{hanging[0]} did not end in time"), "pipeline"
                )


def _as_sequence(estimator: Estimator | Sequence[Estimator]) -> Sequence[Estimator]:
    return estimator if isinstance(estimator, Sequence) else (estimator,)
