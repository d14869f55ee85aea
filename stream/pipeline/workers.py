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
from stream.pipeline.item import Parcel, send
from stream.pipeline.lane import Channel
from stream.pipeline.ring import RingBuffer
from stream.pipeline.timing import Timings
from stream.pipeline.worker import Outcome, Worker
from stream.render.renderer import Status
from stream.sinks import RunInfo

_LOG = logging.getLogger(__name__)

_FPS_FRAMES = 30  # frames over which the status line's frame rate is taken

Ring = RingBuffer[Parcel]


class DecodeWorker(Worker):
    """Source to ring: one thread a source, so that a source that is gone holds up nobody."""

    def __init__(self, channel: Channel, outcome: Outcome, timings: Timings) -> None:
        super().__init__(f"decode {channel.source.name}", outcome, outboxes=(channel.ring,))
        self._channel = channel
        self._timer = timings.stage(channel.stage("decode"))
        self._number = int(channel.label or 0)

    def work(self) -> None:
        try:
            self._decode()
        except SourceError as error:
            health = self._channel.source.health
            health.state, health.message = "failed", str(error)
            if self._channel.label:
                _LOG.error(
                    "%s", error
                )  # now: the other sources may go on for days before it is raised
            raise

    def _decode(self) -> None:
        source, ring, thinning = self._channel.source, self._channel.ring, self._channel.thinning
        spent_ns = 0  # since the last frame that was used
        while not thinning.done:
            begin_ns, waited_ns = time.perf_counter_ns(), source.health.waited_ns
            with self._timer.marked():
                found = source.grab()
            if not found:
                return
            spent_ns += time.perf_counter_ns() - begin_ns - (source.health.waited_ns - waited_ns)
            if not thinning.wants(source.time_s):
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


class ParcelWorker(Worker):
    """A stage that takes parcels in order, does something to each, and sends them on."""

    stage = ""

    def __init__(self, inbox: Ring, outbox: Ring, outcome: Outcome, timings: Timings) -> None:
        super().__init__(self.stage, outcome, inboxes=(inbox,), outboxes=(outbox,))
        self._inbox = inbox
        self._outbox = outbox
        self._timer = timings.stage(self.stage)
        self._depth = timings.depth(self.stage)

    def work(self) -> None:
        parcel = Parcel()
        for lease in self._inbox:
            with lease as slot:
                parcel.take(slot)
            self._depth.add(len(self._inbox))
            try:
                frame = parcel.frame
                with self._timer.measure(frame.index, parcel.channel):
                    self.process(parcel)
                frame.left_ns[self.stage] = time.monotonic_ns()
                send(parcel, self._outbox)
            finally:
                parcel.clear()

    def process(self, parcel: Parcel) -> None:
        """What the stage does to one frame."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does to a frame")


class GroupWorker(ParcelWorker):
    """Maps to people in source pixels."""

    stage = "group"

    def __init__(
        self,
        group: Group,
        channels: Sequence[Channel],
        inbox: Ring,
        outbox: Ring,
        outcome: Outcome,
        timings: Timings,
    ) -> None:
        super().__init__(inbox, outbox, outcome, timings)
        self._group = group
        self._channels = tuple(channels)

    def process(self, parcel: Parcel) -> None:
        maps = parcel.maps
        assert maps is not None
        people = self._group(maps.heatmaps, maps.tags, maps.candidates)
        parcel.people = People(
            maps.alignment.to_image(people.keypoints), people.scores, people.tags
        )
        if not self._channels[parcel.channel].draws_maps:
            maps.release()
            parcel.maps = None


class RenderWorker(ParcelWorker):
    """People drawn into the frame itself, if a sink wants that: from here on its image is the
    annotated picture.
    """

    stage = "render"

    def __init__(
        self,
        channels: Sequence[Channel],
        runtime: str,
        inbox: Ring,
        outbox: Ring,
        outcome: Outcome,
        timings: Timings,
    ) -> None:
        super().__init__(inbox, outbox, outcome, timings)
        self._channels = tuple(channels)
        self._runtime = runtime
        self._recent_ns: tuple[deque[int], ...] = tuple(deque(maxlen=_FPS_FRAMES) for _ in channels)

    def process(self, parcel: Parcel) -> None:
        channel, people = self._channels[parcel.channel], parcel.people
        assert people is not None
        if channel.draws and channel.renderer is not None:
            channel.renderer.draw(
                parcel.frame.image, people, self._status(parcel), maps=parcel.maps
            )
            parcel.drawn = True
        if parcel.maps is not None:
            parcel.maps.release()
            parcel.maps = None

    def _status(self, parcel: Parcel) -> Status:
        now_ns = time.monotonic_ns()
        recent = self._recent_ns[parcel.channel]
        recent.append(now_ns)
        span_ns = now_ns - recent[0]
        return Status(
            fps=(len(recent) - 1) / span_ns * 1e9 if span_ns else 0.0,
            latency_ms=(now_ns - parcel.frame.capture_ns) * 1e-6,
            drops=self._channels[parcel.channel].ring.dropped,
            runtime=self._runtime,
        )


class WriteWorker(Worker):
    """Results to the sinks of their source; sinks are opened, written and closed by this thread
    alone.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        run: RunInfo,
        inbox: Ring,
        outcome: Outcome,
        timings: Timings,
    ) -> None:
        super().__init__("write", outcome, inboxes=(inbox,))
        self._inbox = inbox
        self._channels = tuple(channels)
        self._run_info = run
        self._timings = timings
        self._timer = timings.stage("write")
        self._depth = timings.depth("write")
        self._opened: set[int] = set()

    def work(self) -> None:
        for index, channel in enumerate(self._channels):
            if channel.source.info is not None:
                self._open(index)
        parcel = Parcel()
        for lease in self._inbox:
            with lease as slot:
                parcel.take(slot)
            self._depth.add(len(self._inbox))
            try:
                self._write(parcel)
            finally:
                parcel.clear()

    def finish(self) -> None:
        first: BaseException | None = None
        for channel in self._channels:
            for sink in channel.sinks:
                try:
                    sink.close()
                except BaseException as error:  # noqa: BLE001 - the others must be closed all the same
                    first = first or error
        if first is not None:
            raise first

    def _open(self, index: int) -> None:
        channel = self._channels[index]
        info = channel.source.info
        if info is None:
            raise SourceError(f"{channel.source.name!r} delivered a frame before it knew its size")
        self._opened.add(index)
        for sink in channel.sinks:
            sink.open(info, self._run_info)

    def _write(self, parcel: Parcel) -> None:
        channel, frame, people = self._channels[parcel.channel], parcel.frame, parcel.people
        assert people is not None
        if parcel.channel not in self._opened:
            self._open(parcel.channel)
        drops = channel.ring.dropped
        latency_ns = self._timings.delivered(
            frame.index,
            parcel.channel,
            capture_ns=frame.capture_ns,
            people=len(people),
            drops=drops,
        )
        with self._timer.measure(frame.index, parcel.channel):
            for sink in channel.sinks:
                # What a sink needs may have changed since the frame was rendered: it gets the
                # annotated picture or none.
                picture = frame.image if sink.needs_picture and parcel.drawn else None
                sink.write(frame, people, picture, latency_ms=latency_ns * 1e-6, drops=drops)
        channel.frames += 1
        channel.people += len(people)
