"""A run as metrics, made when somebody asks: frames cost nothing more for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from basics.packages import import_package
from basics.paths import utf8_text
from configs.errors import redact_url
from stream.pipeline.outlet import Outlet
from stream.pipeline.pipeline import Pipeline
from stream.sinks import RunInfo
from stream.sources.base import State

PREFIX = "pose_stream"
INSTALL = "higherhrnet-stream[metrics]"
_CAUSES = ("superseded", "stale", "full", "stopped")
_STATES = get_args(State)


class PipelineCollector:
    """What Prometheus is told of a run; a collector of `prometheus_client`.

    Sources are called by their labels, which hold no part of an address that could be secret.
    """

    def __init__(self, pipeline: Pipeline, labels: Sequence[str], run: RunInfo) -> None:
        self._pipeline = pipeline
        self._labels = tuple(labels)
        self._run = run
        self._core = import_package("prometheus_client.core", INSTALL, "--metrics")

    def collect(self) -> Iterable[Any]:
        """Every metric with its numbers of this moment."""
        yield self._info()
        yield from self._frames()
        yield from self._sources()
        yield from self._stages()

    def _info(self) -> Any:
        run = self._run
        metric = self._core.InfoMetricFamily(PREFIX, "What makes the people.")
        metric.add_metric(
            [],
            {
                "model": run.model,
                "runtime": run.runtime,
                "precision": run.precision,
                "keypoint_set": run.keypoint_set.name,
            },
        )
        return metric

    def _frames(self) -> Iterable[Any]:
        frames = self._counter("frames", "Frames whose results were handed to the outputs.")
        people = self._counter("people", "People in them, counted in every frame.")
        now = self._gauge("people_in_frame", "People in the last of them.")
        dropped = self._counter("dropped_frames", "Frames given up, by cause.", "cause")
        left_out = self._counter(
            "left_out_frames", "Frames that are missing in an output.", "output"
        )
        waiting = self._gauge("engine_queue_frames", "Frames that wait for the engine.")
        last = self._gauge(
            "last_result_timestamp_seconds", "When the last results were handed over (Unix time)."
        )
        latency = self._core.HistogramMetricFamily(
            f"{PREFIX}_latency_seconds",
            "From the arrival of a frame to its results being handed to the outputs.",
            labels=["source"],
        )
        since_s = time.time() - time.monotonic()
        for label, lane in zip(self._labels, self._pipeline.lanes, strict=True):
            frames.add_metric([label], lane.frames)
            people.add_metric([label], lane.people)
            now.add_metric([label], lane.last_people)
            drops = lane.ring.drops
            for cause in _CAUSES:  # also where there are none yet, so that `rate` sees the first
                dropped.add_metric([label, cause], drops.get(cause, 0))
            for name, lost in _told_apart(lane.outlets):
                left_out.add_metric([label, name], lost)
            waiting.add_metric([label], len(lane.ring))
            if lane.last_ns:
                last.add_metric([label], since_s + lane.last_ns * 1e-9)
            *counts, count = lane.latency_ns.cumulative()
            bounds = [str(bound / 1e9) for bound in lane.latency_ns.bounds]
            buckets = [*zip(bounds, counts, strict=True), ("+Inf", count)]
            latency.add_metric([label], buckets, lane.latency_ns.total * 1e-9)
        return frames, people, now, dropped, left_out, waiting, last, latency

    def _sources(self) -> Iterable[Any]:
        info = self._core.InfoMetricFamily(
            f"{PREFIX}_source", "Address without credentials, and device.", labels=["source"]
        )
        state = self._gauge("source_state", "1 for the state that a source is in.", "state")
        reconnects = self._counter("reconnects", "Times that a source was lost and came back.")
        corrupt = self._counter("corrupt_packets", "Packets that were skipped.")
        restarts = self._counter("decoder_restarts", "Times that a decoder was started again.")
        for label, lane in zip(self._labels, self._pipeline.lanes, strict=True):
            health = lane.source.health
            now = health.state
            name = utf8_text(lane.source.name)
            info.add_metric([label], {"address": name, "device": lane.device})
            for each in _STATES:
                state.add_metric([label, each], each == now)
            reconnects.add_metric([label], health.reconnects)
            corrupt.add_metric([label], health.corrupt_packets)
            restarts.add_metric([label], health.decoder_restarts)
        return info, state, reconnects, corrupt, restarts

    def _stages(self) -> Iterable[Any]:
        names = ["stage"]
        busy = self._core.CounterMetricFamily(
            f"{PREFIX}_stage_busy_seconds", "Seconds that a stage was at work.", labels=names
        )
        done = self._core.CounterMetricFamily(
            f"{PREFIX}_stage_frames", "Frames that a stage has dealt with.", labels=names
        )
        for name, timer in list(self._pipeline.timings.stages.items()):
            busy.add_metric([name], timer.busy_s)
            done.add_metric([name], timer.count)
        return busy, done

    def _counter(self, name: str, text: str, *labels: str) -> Any:
        return self._core.CounterMetricFamily(f"{PREFIX}_{name}", text, labels=["source", *labels])

    def _gauge(self, name: str, text: str, *labels: str) -> Any:
        return self._core.GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["source", *labels])


def _told_apart(outlets: Sequence[Outlet]) -> Iterable[tuple[str, int]]:
    """What every output is called, no two the same, and how many frames it lacks."""
    names: list[str] = []
    for outlet in outlets:
        name = redact_url(outlet.label)
        names.append(name)
        number = names.count(name)
        yield (name if number == 1 else f"{name} {number}"), outlet.lost
