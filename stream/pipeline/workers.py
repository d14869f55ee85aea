"""The stages: decode, group, render, write; `stream.pipeline.inference` has the one between decode and
group.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

from configs import SourceError
from grouping import People
from stream.estimator import Group
from stream.pipeline.item import WorkItem, send
from stream.pipeline.lane import Lane
from stream.pipeline.ring import RingBuffer
from stream.pipeline.timing import Timings
from stream.pipeline.worker import Outcome, Worker
from stream.render.renderer import Status
from stream.sinks import RunInfo

_LOG = logging.getLogger(__name__)

_FPS_FRAMES = 30  # frames over which the status line's frame rate is taken

Ring = RingBuffer[WorkItem]


class DecodeWorker(Worker):
    """Source to ring: one thread a source, so that a source that is gone holds up nobody."""

    def __init__(self, lane: Lane, outcome: Outcome, timings: Timings) -> None:
        super().__init__(f"decode {lane.source.name}", outcome, outboxes=(lane.ring,))
        self._lane = lane
        self._timer = timings.stage(lane.stage("decode"))
        self._number = int(lane.label or 0)

    def work(self) -> None:
        try:
            self._decode()
        except SourceError as error:
            health = self._lane.source.health
            health.state, health.message = "failed", str(error)
            if self._lane.label:
                _LOG.error(
                    "%s", error
                )  # now: the other sources may go on for days before it is raised
            raise

    def _decode(self) -> None:
        source, ring, sampler = self._lane.source, self._lane.ring, self._lane.sampler
        spent_ns = 0  # since the last frame that was used
        while not sampler.done:
            begin_ns, waited_ns = time.perf_counter_ns(), source.health.waited_ns
            with self._timer.marked():
                found = source.grab()
            if not found:
                return
            spent_ns += time.perf_counter_ns() - begin_ns - (source.health.waited_ns - waited_ns)
            if not sampler.wants(source.time_s):
                continue
            lease = ring.reserve()
            if lease is None:
                continue
            try:
                begin_ns = time.perf_counter_ns() - spent_ns
                with self._timer.marked():
                    source.retrieve(lease.slot)
                frame = lease.slot.frame
                self._timer.add(begin_ns, time.perf_counter_ns(), frame.index, self._number)
                spent_ns = 0
                frame.left_ns["decode"] = time.monotonic_ns()
                lease.commit(frame.capture_ns)
            finally:
                lease.release()


class StageWorker(Worker):
    """A stage that takes items in order, does something to each, and sends them on."""

    stage = ""

    def __init__(self, inbox: Ring, outbox: Ring, outcome: Outcome, timings: Timings) -> None:
        super().__init__(self.stage, outcome, inboxes=(inbox,), outboxes=(outbox,))
        self._inbox = inbox
        self._outbox = outbox
        self._timer = timings.stage(self.stage)
        self._depth = timings.depth(self.stage)

    def work(self) -> None:
        item = WorkItem()
        for lease in self._inbox:
            with lease as slot:
                item.take(slot)
            self._depth.add(len(self._inbox))
            try:
                frame = item.frame
                with self._timer.measure(frame.index, item.lane):
                    self.process(item)
                frame.left_ns[self.stage] = time.monotonic_ns()
                send(item, self._outbox)
            finally:
                item.clear()

    def process(self, item: WorkItem) -> None:
        """What the stage does to one frame."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does to a frame")


class GroupWorker(StageWorker):
    """Maps to people in source pixels."""

    stage = "group"

    def __init__(
        self,
        group: Group,
        lanes: Sequence[Lane],
        inbox: Ring,
        outbox: Ring,
        outcome: Outcome,
        timings: Timings,
    ) -> None:
        super().__init__(inbox, outbox, outcome, timings)
        self._group = group
        self._lanes = tuple(lanes)

    def process(self, item: WorkItem) -> None:
        maps = item.maps
        assert maps is not None
        people = self._group(maps.heatmaps, maps.tags, maps.candidates)
        item.people = People(maps.alignment.to_image(people.keypoints), people.scores, people.tags)
        if not self._lanes[item.lane].draws_maps:
            maps.release()
            item.maps = None


class RenderWorker(StageWorker):
    """People drawn into the frame itself, if a sink wants that: from here on its image is the
    annotated image.
    """

    stage = "render"

    def __init__(
        self,
        lanes: Sequence[Lane],
        runtime: str,
        inbox: Ring,
        outbox: Ring,
        outcome: Outcome,
        timings: Timings,
    ) -> None:
        super().__init__(inbox, outbox, outcome, timings)
        self._lanes = tuple(lanes)
        self._runtime = runtime
        self._recent_ns: tuple[deque[int], ...] = tuple(deque(maxlen=_FPS_FRAMES) for _ in lanes)

    def process(self, item: WorkItem) -> None:
        lane, people = self._lanes[item.lane], item.people
        assert people is not None
        if lane.draws and lane.renderer is not None:
            lane.renderer.draw(item.frame.image, people, self._status(item), maps=item.maps)
            item.drawn = True
        if item.maps is not None:
            item.maps.release()
            item.maps = None

    def _status(self, item: WorkItem) -> Status:
        now_ns = time.monotonic_ns()
        recent = self._recent_ns[item.lane]
        recent.append(now_ns)
        span_ns = now_ns - recent[0]
        return Status(
            fps=(len(recent) - 1) / span_ns * 1e9 if span_ns else 0.0,
            latency_ms=(now_ns - item.frame.capture_ns) * 1e-6,
            drops=self._lanes[item.lane].ring.dropped,
            runtime=self._runtime,
        )


class WriteWorker(Worker):
    """Results to the sinks of their source; sinks are opened, written and closed by this thread
    alone.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        run: RunInfo,
        inbox: Ring,
        outcome: Outcome,
        timings: Timings,
    ) -> None:
        super().__init__("write", outcome, inboxes=(inbox,))
        self._inbox = inbox
        self._lanes = tuple(lanes)
        self._run_info = run
        self._timings = timings
        self._timer = timings.stage("write")
        self._depth = timings.depth("write")
        self._opened: set[int] = set()

    def work(self) -> None:
        for index, lane in enumerate(self._lanes):
            if lane.source.info is not None:
                self._open(index)
        item = WorkItem()
        for lease in self._inbox:
            with lease as slot:
                item.take(slot)
            self._depth.add(len(self._inbox))
            try:
                self._write(item)
            finally:
                item.clear()

    def finish(self) -> None:
        first: BaseException | None = None
        for lane in self._lanes:
            for sink in lane.sinks:
                try:
                    sink.close()
                except BaseException as error:  # noqa: BLE001 - the others must be closed all the same
                    first = first or error
        if first is not None:
            raise first

    def _open(self, index: int) -> None:
        lane = self._lanes[index]
        info = lane.source.info
        if info is None:
            raise SourceError(f"{lane.source.name!r} delivered a frame before it knew its size")
        self._opened.add(index)
        for sink in lane.sinks:
            sink.open(info, self._run_info)

    def _write(self, item: WorkItem) -> None:
        lane, frame, people = self._lanes[item.lane], item.frame, item.people
        assert people is not None
        if item.lane not in self._opened:
            self._open(item.lane)
        drops = lane.ring.dropped
        latency_ns = self._timings.delivered(
            frame.index,
            item.lane,
            capture_ns=frame.capture_ns,
            people=len(people),
            drops=drops,
        )
        with self._timer.measure(frame.index, item.lane):
            for sink in lane.sinks:
                # What a sink needs may have changed since the frame was rendered: it gets the
                # annotated image or none.
                image = frame.image if sink.needs_image and item.drawn else None
                sink.write(frame, people, image, latency_ms=latency_ns * 1e-6, drops=drops)
        lane.frames += 1
        lane.people += len(people)
