"""The stages around the engine: decode, group, render, write.

`stream.pipeline.inference` has the one between decode and group, `stream.pipeline.stages` those
that a user inserts behind group.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from configs import SourceError
from stream.estimator import Estimator, Group, device_of
from stream.pipeline.context import RunContext
from stream.pipeline.hand_over import HandOver
from stream.pipeline.item import GroupedItem, InferredItem, WorkItem
from stream.pipeline.lane import Lane
from stream.pipeline.outlet import Outlet, joined
from stream.pipeline.worker import Worker
from stream.render.renderer import Status
from stream.sinks import RunInfo

logger = logging.getLogger(__name__)

_FPS_FRAMES = 30  # frames over which the status line's frame rate is taken

Item = TypeVar("Item", bound=WorkItem)


def run_info(estimator: Estimator) -> RunInfo:
    """What an estimator says of itself, for sinks."""
    return RunInfo(
        model=estimator.model,
        runtime=estimator.runtime,
        precision=estimator.precision,
        keypoint_set=estimator.keypoint_set,
        device=device_of(estimator),
    )


class DecodeWorker(Worker):
    """Source to ring: one thread per source, so that a source that is gone holds up nobody."""

    def __init__(self, context: RunContext, lane: Lane) -> None:
        super().__init__(f"decode {lane.source.name}", context, outboxes=(lane.ring,))
        self._lane = lane
        self._timer = context.timings.stage(lane.stage("decode"))

    def work(self) -> None:
        try:
            self._decode()
        except SourceError as error:
            health = self._lane.source.health
            health.state, health.message = "failed", str(error)
            if self._lane.label:
                # now: the other sources may go on for days before it is raised
                logger.warning("%s; the other sources go on", error)
            raise

    def _decode(self) -> None:
        source, ring, sampler = self._lane.source, self._lane.ring, self._lane.sampler
        spent_ns = 0  # since the last frame that was used
        while not sampler.done:
            begin_ns, waited_ns = time.perf_counter_ns(), source.health.waited_ns
            with self._timer.marked():
                stamp = source.grab()
            if stamp is None:
                return
            spent_ns += time.perf_counter_ns() - begin_ns - (source.health.waited_ns - waited_ns)
            if not sampler.wants(stamp.time_s):
                continue
            lease = ring.reserve()
            if lease is None:
                continue
            try:
                begin_ns = time.perf_counter_ns() - spent_ns
                frame = lease.slot
                with self._timer.marked():
                    source.retrieve(frame)
                frame.stamp(stamp)
                frame.source_index = self._lane.index
                self._timer.add(begin_ns, time.perf_counter_ns(), frame.index, self._lane.index)
                spent_ns = 0
                frame.left_ns["decode"] = time.monotonic_ns()
                lease.commit(frame.capture_ns)
            finally:
                lease.release()


class StageWorker(Worker, Generic[Item]):
    """A stage that takes items in order, does something to each, and sends people on."""

    def __init__(
        self,
        name: str,
        context: RunContext,
        inbox: HandOver[Item],
        outbox: HandOver[GroupedItem],
    ) -> None:
        super().__init__(name, context, inboxes=(inbox,), outboxes=(outbox,))
        self.stage = name
        self._inbox = inbox
        self._outbox = outbox
        self._timer = context.timings.stage(name)
        self._depth = context.timings.depth(name)

    def work(self) -> None:
        for item in self._inbox:
            self._depth.add(len(self._inbox))
            try:
                with self._timer.measure(item.frame.index, item.lane.index):
                    done = self.process(item)
            except BaseException:
                item.release()
                raise
            done.frame.left_ns[self.stage] = time.monotonic_ns()
            self._outbox.put(done)

    @abstractmethod
    def process(self, item: Item) -> GroupedItem:
        """What the stage does to one frame; what it returns holds all that `item` held."""


class GroupWorker(StageWorker[InferredItem]):
    """Maps to people in source pixels."""

    def __init__(
        self,
        context: RunContext,
        inbox: HandOver[InferredItem],
        outbox: HandOver[GroupedItem],
        group: Group,
    ) -> None:
        super().__init__("group", context, inbox, outbox)
        self._group = group

    def process(self, item: InferredItem) -> GroupedItem:
        maps = item.maps
        people = self._group(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment)
        return item.grouped(people, keep_maps=item.lane.draws_maps)


class RenderWorker(StageWorker[GroupedItem]):
    """People drawn into the frame itself, if a sink wants that: from here on its image is the
    annotated one.
    """

    def __init__(
        self,
        context: RunContext,
        inbox: HandOver[GroupedItem],
        outbox: HandOver[GroupedItem],
        runs: Sequence[RunInfo],
    ) -> None:
        super().__init__("render", context, inbox, outbox)
        self._runtimes = [f"{run.model}, {run.runtime} {run.precision}" for run in runs]
        self._recent_ns = tuple(deque[int](maxlen=_FPS_FRAMES) for _ in context.lanes)

    def process(self, item: GroupedItem) -> GroupedItem:
        lane = item.lane
        if lane.draws and lane.renderer is not None:
            lane.renderer.draw(item.frame.image, item.people, self._status(item), maps=item.maps)
            item.drawn = True
        item.release_maps()
        return item

    def _status(self, item: GroupedItem) -> Status:
        now_ns = time.monotonic_ns()
        recent = self._recent_ns[item.lane.index]
        recent.append(now_ns)
        span_ns = now_ns - recent[0]
        return Status(
            fps=(len(recent) - 1) / span_ns * 1e9 if span_ns else None,
            latency_ms=(now_ns - item.frame.capture_ns) * 1e-6 if item.lane.source.live else None,
            drops=item.lane.ring.dropped,
            runtime=self._runtimes[item.lane.index],
        )


class WriteWorker(Worker):
    """Results to the sinks of their source; sinks are opened, written and closed by this thread
    alone, and what goes wrong with one leaves the others alone.
    """

    def __init__(
        self,
        context: RunContext,
        inbox: HandOver[GroupedItem],
        runs: Sequence[RunInfo],
        outbox: HandOver[GroupedItem] | None = None,
    ) -> None:
        outboxes = () if outbox is None else (outbox,)
        super().__init__("write", context, inboxes=(inbox,), outboxes=outboxes)
        self._inbox = inbox
        self._outbox = outbox
        self._runs = tuple(runs)
        self._timer = context.timings.stage("write")
        self._depth = context.timings.depth("write")
        self._opened: set[int] = set()
        self._begun = False

    def work(self) -> None:
        for lane in self.context.lanes:
            if lane.source.info is not None:
                self._open(lane)
        for item in self._inbox:
            self._depth.add(len(self._inbox))
            try:
                self._write(item)
            except BaseException:
                item.release()
                raise
            if self._outbox is None:
                item.release()
            else:
                self._outbox.put(item)

    def finish(self) -> None:
        # What ended the run early, or a source, leaves outputs incomplete: older ones stay then.
        error = self.context.outcome.error
        ended_well = error is None or isinstance(error, SourceError)
        for lane in self.context.lanes:
            complete = ended_well and lane.source.health.state != "failed"
            for outlet in lane.outlets:
                outlet.close(complete=complete)
        failures = [
            outlet.failure
            for lane in self.context.lanes
            for outlet in lane.outlets
            if outlet.failure is not None
        ]
        if failures and error not in failures:
            raise joined(failures)

    def _open(self, lane: Lane) -> None:
        info = lane.source.info
        if info is None:
            raise SourceError(f"{lane.source.name!r} delivered a frame before it knew its size")
        self._opened.add(lane.index)
        run = self._runs[lane.index]
        for outlet in lane.outlets:
            if self._begun:  # the outputs of other sources are at work already
                outlet.open_late(info, run)
            else:
                outlet.open(info, run)

    def _write(self, item: GroupedItem) -> None:
        lane, frame, people = item.lane, item.frame, item.people
        if lane.index not in self._opened:
            self._open(lane)
        self._begun = True
        delivery = self.context.deliver(lane, frame, people)
        with self._timer.measure(frame.index, lane.index):
            for outlet in lane.outlets:
                well = outlet.failure is None
                # What a sink needs may have changed since the frame was rendered: it gets the
                # annotated image or None.
                image = frame.image if outlet.needs_image and item.drawn else None
                outlet.write(
                    frame, people, image, latency_ms=delivery.latency_ms, drops=delivery.drops
                )
                if well and outlet.gone:
                    self._lose(lane, outlet)
        lane.count(len(people))

    def _lose(self, lane: Lane, lost: Outlet) -> None:
        """An output is gone for good. Raises its error if there is none left."""
        left = [outlet for item in self.context.lanes for outlet in item.outlets if not outlet.gone]
        if not left and lost.failure is not None:
            raise lost.failure
        logger.warning("%s; the other outputs go on", lost.failure)
        if self._outbox is None and all(outlet.gone for outlet in lane.outlets):
            lane.source.interrupt()  # nobody takes what comes of it
