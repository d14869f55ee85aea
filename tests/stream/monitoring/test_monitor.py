"""Metrics and probes of real runs, read as Prometheus reads them."""

from __future__ import annotations

import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from configs import ExecutionError, RuntimeUnavailableError, SinkError, SourceError
from configs.units import HostPort
from stream import MetricsConfig, Pipeline, SourceConfig, run
from stream.monitoring import Monitor
from stream.monitoring.health import Health
from stream.pipeline.workers import run_info
from tests.stream.pipeline.parts import CountedSource, MemorySink
from tests.support.blank_engine import BlankEngine, WorkEngine
from tests.support.media import make_clip
from tests.support.people import nobody
from tests.support.servers import RtspServer, free_port
from tests.support.waiting import LIMIT_S, joined, until

parser = pytest.importorskip("prometheus_client.parser")
openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
LOCAL = HostPort("127.0.0.1", 0)


def get(address: HostPort, path: str, accept: str = "text/plain") -> tuple[int, str]:
    """Status and text of an answer."""
    request = urllib.request.Request(f"http://{address}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def parsed(text: str) -> Samples:
    found: Samples = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"pose_stream_{name}", frozenset(labels.items())]


class Scraper:
    """Asks for metrics again and again, and holds what must be true of all answers."""

    def __init__(self, address: HostPort) -> None:
        self._address = address
        self._before: Samples = {}
        self.texts: list[str] = []

    def until(self, true_of: Callable[[Samples], bool], what: str) -> Samples:
        """The first answer of which that is true."""

        def look() -> Samples | None:
            try:
                status, text = get(self._address, "/metrics")
            except urllib.error.URLError:  # not serving yet
                return None
            assert status == 200
            self.texts.append(text)
            samples = parsed(text)
            for key, before in self._before.items():
                if key[0].endswith(("_total", "_bucket", "_count")):
                    assert samples[key] >= before, f"{key} went back"
            self._before = samples
            try:
                return samples if true_of(samples) else None
            except KeyError:  # the run has not begun
                return None

        found = until(look, what)
        assert found is not None
        return found


@contextmanager
def running(sources: list[Any], **options: Any) -> Iterator[HostPort]:
    """A run in the background, ended with the block; gives where its metrics are."""
    address = HostPort("127.0.0.1", free_port())
    pipelines: list[Pipeline] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run(
                sources,
                lambda label: MemorySink(),
                grouper=nobody,
                metrics=MetricsConfig(metrics=address),
                on_start=pipelines.append,
                **options,
            )
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield address
    finally:
        for pipeline in pipelines:
            pipeline.stop()
        joined(thread)
    if errors:
        raise errors[0]


def test_metrics_follow_a_camera_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "clip.mp4",
        frames=900,
        fps=30,
        gop=15,
        options={"tune": "zerolatency", "preset": "ultrafast"},
    )
    patient = SourceConfig(open_timeout_s=60, read_timeout_s=60)
    with RtspServer(clip, user="operator:geheim") as server:
        camera = server.url.replace("rtsp://", "rtsp://operator:geheim@") + "?token=verborgen"
        label = f"127.0.0.1_{server.port}_clip"
        with running([camera, "test"], estimator=BlankEngine(), source=patient) as address:
            scraper = Scraper(address)
            first = scraper.until(
                lambda found: (
                    value(found, "frames_total", source=label) >= 5
                    and value(found, "frames_total", source="test") >= 5
                ),
                "frames of both come",
            )
            assert value(first, "source_state", source=label, state="running") == 1
            assert value(first, "reconnects_total", source=label) == 0
            assert get(address, "/readyz")[0] == 200

            server.kill()
            lost = scraper.until(
                lambda found: value(found, "source_state", source=label, state="reconnecting") == 1,
                "the camera is lost",
            )
            assert value(lost, "source_state", source=label, state="running") == 0
            assert get(address, "/healthz") == (200, "alive\n"), "a lost camera is no reason"
            status, text = get(address, "/readyz")
            assert status == 200 and f"{label}: reconnecting" in text and "test: running" in text

            frames, others = (value(lost, "frames_total", source=name) for name in (label, "test"))
            server.start()
            back = scraper.until(
                lambda found: (
                    value(found, "reconnects_total", source=label) == 1
                    and value(found, "frames_total", source=label) > frames + 5
                ),
                "the camera is back",
            )
            assert value(back, "source_state", source=label, state="running") == 1
            assert value(back, "frames_total", source="test") > others
    delivered = value(back, "latency_seconds_count", source=label)
    assert delivered >= value(back, "frames_total", source=label)
    assert value(back, "latency_seconds_bucket", source=label, le="+Inf") == delivered
    assert value(back, "latency_seconds_bucket", source=label, le="10.0") == delivered
    assert 0 < value(back, "latency_seconds_sum", source=label) < delivered * 5
    for cause in ("superseded", "stale", "full", "stopped"):
        assert value(back, "dropped_frames_total", source=label, cause=cause) >= 0
    assert value(back, "engine_queue_frames", source=label) in (0, 1)
    age_s = time.time() - value(back, "last_result_timestamp_seconds", source=label)
    assert -1 < age_s < 30
    said = "".join(scraper.texts)
    assert "geheim" not in said and "operator" not in said and "verborgen" not in said


def test_drops_are_told_by_their_cause_and_people_are_counted() -> None:
    engine = BlankEngine(delay_s=0.05)
    with running([CountedSource(10_000, fps=200.0)], estimator=engine) as address:
        found = Scraper(address).until(
            lambda found: (
                value(found, "dropped_frames_total", source="counted", cause="superseded") > 5
                and value(found, "stage_frames_total", stage="infer") > 2
            ),
            "frames are superseded",
        )
    assert value(found, "dropped_frames_total", source="counted", cause="stale") == 0
    assert value(found, "people_in_frame", source="counted") == 0
    assert value(found, "left_out_frames_total", source="counted", output="MemorySink") == 0
    assert value(found, "stage_busy_seconds_total", stage="infer") > 0.05


def test_who_asks_for_openmetrics_gets_it() -> None:
    with running([CountedSource(10_000, fps=50.0)], estimator=BlankEngine()) as address:
        Scraper(address).until(
            lambda found: value(found, "frames_total", source="counted") > 1, "frames come"
        )
        _, text = get(address, "/metrics", "application/openmetrics-text; version=1.0.0")
    families = {family.name for family in openmetrics.text_string_to_metric_families(text)}
    assert {"pose_stream_frames", "pose_stream_latency_seconds"} <= families


def test_an_engine_that_hangs_is_not_alive_and_one_that_goes_on_is() -> None:
    hold = threading.Event()
    hold.set()
    engine = WorkEngine(lambda: hold.wait(LIMIT_S) and None)
    source = CountedSource(10_000, fps=50.0)
    with (
        Monitor(LOCAL) as monitor,
        source,
        Pipeline([source], engine, nobody, sinks=[[MemorySink()]]) as pipeline,
    ):
        monitor.health = Health(stuck_s=0.3)
        assert get(monitor.address, "/readyz") == (503, "the model is being loaded\n")
        assert get(monitor.address, "/healthz")[0] == 200
        monitor.watch(pipeline, ["camera"], run_info(engine))
        thread = threading.Thread(target=pipeline.run, args=(lambda progress: monitor.look(),))
        thread.start()
        until(lambda: get(monitor.address, "/readyz")[0] == 200, "it is ready")
        hold.clear()
        until(lambda: get(monitor.address, "/healthz")[0] == 503, "it is not alive")
        assert "camera: frames come, and no result for" in get(monitor.address, "/healthz")[1]
        hold.set()
        until(lambda: get(monitor.address, "/healthz")[0] == 200, "it is alive again")
        pipeline.stop()
        joined(thread)


def test_a_source_that_failed_for_good_leaves_the_run_alive_and_a_stage_that_did_does_not() -> None:
    broken = threading.Event()

    def work() -> None:
        if broken.is_set():
            raise ExecutionError("the device is gone")

    engine = WorkEngine(work)
    sources = [CountedSource(10_000, fps=50.0, fail_at=3), CountedSource(10_000, fps=50.0)]
    with (
        Monitor(LOCAL) as monitor,
        sources[0],
        sources[1],
        Pipeline(sources, engine, nobody, sinks=[[MemorySink()], [MemorySink()]]) as pipeline,
    ):
        monitor.watch(pipeline, ["front", "yard"], run_info(engine))
        errors: list[BaseException] = []

        def run_it() -> None:
            try:
                pipeline.run(lambda progress: monitor.look())
            except BaseException as error:  # noqa: BLE001 - looked at below
                errors.append(error)

        thread = threading.Thread(target=run_it)
        thread.start()
        until(lambda: "front: failed" in get(monitor.address, "/readyz")[1], "one has failed")
        until(lambda: get(monitor.address, "/readyz")[0] == 200, "it is ready")
        assert get(monitor.address, "/healthz") == (200, "alive\n")
        pipeline.stop()
        joined(thread)
        assert [type(error) for error in errors] == [SourceError]
    broken.set()
    with (
        CountedSource(10) as source,
        Pipeline([source], engine, nobody, sinks=[[MemorySink()]]) as pipeline,
    ):
        health = Health()
        health.watch(pipeline, ["front"])
        with pytest.raises(ExecutionError):
            pipeline.run()
        assert health.alive() == (False, "the run has failed")


def test_other_paths_are_not_there_and_a_client_that_says_nothing_holds_nobody_up() -> None:
    with (
        Monitor(LOCAL) as monitor,
        socket.create_connection((monitor.address.host, monitor.address.port)),
    ):
        assert get(monitor.address, "/../etc/passwd") == (404, "/metrics, /healthz, /readyz\n")
        assert get(monitor.address, "/metrics?name[]=up")[0] == 200


def test_an_address_that_is_taken_is_said() -> None:
    with (
        Monitor(LOCAL) as monitor,
        pytest.raises(SinkError, match=f"cannot serve metrics at '{monitor.address}': Address"),
        Monitor(monitor.address),
    ):
        pass


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'higherhrnet-stream\[metrics"):
        Monitor(LOCAL)
