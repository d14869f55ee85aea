"""Sources, engine, grouping and sinks, wired together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

from configs import ExecutionError
from grouping import People
from stream.estimator import Estimator, Group
from stream.frame import Frame
from stream.pipeline.config import PipelineConfig
from stream.pipeline.inference import InferWorker
from stream.pipeline.item import WorkItem
from stream.pipeline.lane import Lane
from stream.pipeline.policy import EVERY_FRAME, LATEST, Policy
from stream.pipeline.process import tuned_process
from stream.pipeline.progress import Progress, progress_of
from stream.pipeline.ring import RingBuffer, RingClosed
from stream.pipeline.round_robin import RoundRobinReader
from stream.pipeline.sampling import FrameSampler
from stream.pipeline.summary import SourceSummary, Summary
from stream.pipeline.timing import Timings
from stream.pipeline.worker import Outcome, Worker
from stream.pipeline.workers import DecodeWorker, GroupWorker, RenderWorker, WriteWorker
from stream.render.renderer import Renderer
from stream.sinks import Controls, Interactive, RunInfo, Sink
from stream.sources import FrameSlot, Source

_LOG = logging.getLogger(__name__)

_WAITING = (
    2  # frames that may wait in front of a stage: evens out jitter; more only adds delay and memory
)
_TICK_S = 0.1  # how often progress is told, and how soon a signal is seen
_STOP_S = 1.0  # for what is under way to be finished after `stop`
_JOIN_S = 0.5  # for threads to see that everything is closed
_FINISH_S = 30.0  # for the sinks to finish their files, which takes longer the larger they are


class Pipeline:
    """Decode, infer, group, render and write, one thread each, joined by ring buffers; order is
    kept for each source.

    sources: opened by the caller, who closes them; none of them may be used by anybody else
    meanwhile.
    sinks: for each source, what its results go to; opened, written and closed by the pipeline.
    renderers: for each source, what draws its images; needed if a sink wants them, and used only
    then.
    left_behind: stages that hung in foreign code when the run ended; their threads may still be
    using engine and sources.

        with Pipeline([source], estimator, grouper, sinks=[[JsonLinesSink("out.jsonl")]]) as
        pipeline:
            summary = pipeline.run()
    """

    def __init__(
        self,
        sources: Sequence[Source],
        estimator: Estimator,
        group: Group,
        *,
        sinks: Sequence[Sequence[Sink]] = (),
        renderers: Sequence[Renderer] = (),
        options: PipelineConfig | None = None,
        timings: Timings | None = None,
    ) -> None:
        options = options or PipelineConfig()
        for index, source in enumerate(sources):
            if not renderers and sinks and any(sink.needs_image for sink in sinks[index]):
                raise ValueError(
                    f"a sink of {source.name!r} wants images, and there is no renderer to draw them"
                )
        self.timings = timings or Timings()
        self._estimator = estimator
        self._group = group
        self._outcome = Outcome()
        self._workers: list[Worker] = []
        self._rings: list[RingBuffer[WorkItem]] = []
        self._stop_at_s: float | None = None
        self._stopping = False
        self.left_behind: tuple[str, ...] = ()
        self._used = False
        policies = [
            options.policy or (LATEST if source.live else EVERY_FRAME) for source in sources
        ]
        self._waiting = _WAITING if EVERY_FRAME in policies else 1
        self._in_flight = options.in_flight or (
            estimator.in_flight if EVERY_FRAME in policies else 1
        )
        self._batch_window_s = options.batch_window_ms * 1e-3
        signal = threading.Condition()
        self._lanes = [
            Lane(
                source=source,
                ring=self._frame_ring(f"frames of {source.name}", policies[index], signal),
                sinks=sinks[index] if sinks else (),
                renderer=renderers[index] if renderers else None,
                sampler=FrameSampler(
                    limit=options.frames, stride=options.stride, max_fps=options.max_fps
                ),
                label=str(index) if len(sources) > 1 else "",
            )
            for index, source in enumerate(sources)
        ]
        for lane in self._lanes:
            if lane.renderer is not None:
                controls = Controls(
                    renderer=lane.renderer,
                    stop=self.stop,
                    stopping=lambda: self._stop_at_s is not None,
                )
                for sink in lane.sinks:
                    if isinstance(sink, Interactive):
                        sink.attach(controls)
        self._reader = RoundRobinReader([lane.ring for lane in self._lanes], signal)

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Runs until every source has ended, `stop` is called or something fails; finishes all
        sinks in each case.

        `on_progress` is called about ten times a second in the caller's thread. Raises the first
        error of any stage, after everything has been finished. Can be called once.
        """
        maps = self._start_inference()
        people = self._start_grouping(maps)
        run = self._run_info()
        if any(lane.draws for lane in self._lanes):
            images = self._ring("images")
            runtime = f"{run.model}, {run.runtime} {run.precision}"
            self._workers.append(
                RenderWorker(self._lanes, runtime, people, images, self._outcome, self.timings)
            )
            people = images
        writer = WriteWorker(self._lanes, run, people, self._outcome, self.timings)
        self._workers.append(writer)
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
        if self._outcome.error is not None:
            raise self._outcome.error
        return self.summary()

    def results(self) -> Iterator[tuple[Frame, People]]:
        """Frames and people in order, without rendering or sinks; a frame is lent until the next
        one is asked for.

        Raises the first error of any stage. Can be used once; leaving the loop ends the run.
        """
        inbox = self._start_grouping(self._start_inference())
        item = WorkItem()
        with tuned_process():
            self._begin()
            try:
                while True:
                    self._see_stop()
                    try:
                        lease = inbox.acquire(timeout_s=_TICK_S)
                    except RingClosed:
                        break
                    if lease is None:
                        continue
                    with lease as slot:
                        item.take(slot)
                    lane, people = self._lanes[item.lane], item.people
                    assert people is not None
                    frame = item.frame
                    self.timings.delivered(
                        frame.index,
                        item.lane,
                        capture_ns=frame.capture_ns,
                        people=len(people),
                        drops=lane.ring.dropped,
                    )
                    lane.frames += 1
                    lane.people += len(people)
                    yield frame, people
                    item.clear()
            finally:
                item.clear()
                self._shut_down()
        if self._outcome.error is not None:
            raise self._outcome.error

    def stop(self) -> None:
        """Ends the run soon: what is under way is finished within a second, the rest is dropped.

        For any thread, and for signal handlers: it takes no lock, which the thread that was
        interrupted might hold.
        """
        if self._stop_at_s is None:
            self._stop_at_s = time.monotonic()

    def summary(self) -> Summary:
        """What the run has come to so far."""
        return Summary(
            elapsed_s=self.timings.elapsed_s,
            sources=tuple(
                SourceSummary(
                    name=lane.source.name,
                    frames=lane.frames,
                    people=lane.people,
                    drops=lane.ring.drops,
                    health=lane.source.health,
                    left_out=lane.left_out,
                )
                for lane in self._lanes
            ),
            latency_ms=self.timings.latency_ns.statistics(1e-6),
            stages=self.timings.statistics(),
            depths={name: series.statistics() for name, series in self.timings.depths.items()},
            stopped=self._stop_at_s is not None,
        )

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shut_down()

    def _start_inference(self) -> RingBuffer[WorkItem]:
        """The workers up to the maps."""
        if self._used:
            raise RuntimeError("a pipeline runs once; make a new one")
        self._used = True
        batch = min(self._estimator.batch_size, len(self._lanes))
        maps = self._ring(
            "maps", self._waiting * batch
        )  # room for all of a batch, so that the next one is submitted at once
        self._workers += [DecodeWorker(lane, self._outcome, self.timings) for lane in self._lanes]
        self._workers.append(
            InferWorker(
                self._reader,
                self._lanes,
                self._estimator,
                maps,
                self._outcome,
                self.timings,
                in_flight=self._in_flight,
                batch_window_s=self._batch_window_s,
            )
        )
        return maps

    def _start_grouping(self, maps: RingBuffer[WorkItem]) -> RingBuffer[WorkItem]:
        people = self._ring("people")
        self._workers.append(
            GroupWorker(self._group, self._lanes, maps, people, self._outcome, self.timings)
        )
        return people

    def _frame_ring(
        self, name: str, policy: Policy, signal: threading.Condition
    ) -> RingBuffer[FrameSlot]:
        # Waiting to be read, being written, with the engine, and one waiting and one at work in
        # every stage behind it.
        count = _WAITING + 2 + self._in_flight + 3 * (self._waiting + 1)
        return RingBuffer(
            [FrameSlot() for _ in range(count)], policy=policy, name=name, signal=signal
        )

    def _ring(self, name: str, count: int | None = None) -> RingBuffer[WorkItem]:
        ring = RingBuffer(
            [WorkItem() for _ in range(count or self._waiting)], name=name, on_drop=WorkItem.clear
        )
        self._rings.append(ring)
        return ring

    def _begin(self) -> None:
        self.timings.begin()
        for worker in reversed(self._workers):
            worker.start()

    def _run_info(self) -> RunInfo:
        return RunInfo(
            model=self._estimator.model,
            runtime=self._estimator.runtime,
            precision=self._estimator.precision,
            keypoint_set=self._estimator.keypoint_set,
        )

    def _progress(self, *, finished: bool) -> Progress:
        return progress_of(self._lanes, elapsed_s=self.timings.elapsed_s, finished=finished)

    def _see_stop(self) -> None:
        if self._stop_at_s is not None and not self._stopping:
            self._stopping = True
            self._interrupt("stopped")

    def _overdue(self) -> bool:
        return self._stop_at_s is not None and time.monotonic() - self._stop_at_s > _STOP_S

    def _interrupt(self, reason: str) -> None:
        for lane in self._lanes:
            lane.source.interrupt()
            lane.ring.abort(reason)

    def _shut_down(self) -> None:
        """Ends every thread; one that hangs in foreign code is left behind, said aloud, after a
        deadline.
        """
        self._interrupt("the run is over")
        for ring in self._rings:
            ring.abort("the run is over")
        started = [worker for worker in self._workers if worker.ident is not None]
        begin_s = time.monotonic()
        for worker in reversed(started):
            budget_s = _FINISH_S if isinstance(worker, WriteWorker) else _JOIN_S
            worker.join(max(0.0, begin_s + budget_s - time.monotonic()))
        self.timings.end()
        self._workers.clear()
        hanging = tuple(worker.name for worker in started if worker.is_alive())
        if hanging:
            self.left_behind = hanging
            _LOG.warning("left behind, still busy: %s", ", ".join(hanging))
            if self._stop_at_s is None:
                self._outcome.fail(ExecutionError(f"{hanging[0]} did not end in time"), "pipeline")
