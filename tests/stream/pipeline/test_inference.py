"""Images are laid into the network's input by threads in front of the engine's, in order."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import engine.estimator
from configs import ExecutionError
from engine import RUNTIMES, Estimator, align
from engine.onnx.metadata import read_metadata
from engine.runtimes import Workload
from stream.pipeline.config import PipelineConfig
from stream.pipeline.inference import _Taken
from stream.pipeline.pipeline import Pipeline
from tests.stream.pipeline.parts import MemorySink, counted
from tests.support.cuda import cuda_libraries, cuda_process, on_driver  # noqa: F401 - fixtures
from tests.support.media import numbered_image
from tests.support.people import no_people, nobody
from tests.support.stand_in import StandIn, checksum
from tests.support.waiting import joined

FRAMES = 30


def expected(index):
    return checksum(align((64, 96), 64).warp(numbered_image(index, 96, 64)))


@pytest.mark.parametrize("threads, batch", [(0, 1), (1, 1), (3, 1), (3, 2)])
def test_every_frame_gets_its_own_maps_in_order(threads, batch):
    estimator = Estimator("lite", StandIn(0.001, marks=True, usual_batch=batch), 64)
    estimator.align_threads = threads
    found = []

    def group(heatmaps, *rest):
        found.append(int(heatmaps.flat[0]))
        return no_people()

    sinks = [MemorySink() for _ in range(batch)]
    sources = [counted(FRAMES) for _ in sinks]
    with Pipeline(sources, estimator, group, sinks=[[sink] for sink in sinks]) as pipeline:
        pipeline.run()

    for sink in sinks:
        assert sink.frames == list(range(FRAMES))
    assert sorted(found) == sorted([expected(index) for index in range(FRAMES)] * batch)
    if batch == 1:
        assert found == [expected(index) for index in range(FRAMES)]


def test_a_fast_engine_is_warm_before_its_sources_start():
    runtime = StandIn(usual_batch=2)
    estimator = Estimator("lite", runtime, 64)
    estimator.align_threads = 1
    warm_up, made = estimator.warm_up, []

    def seen(*arguments):
        assert all(source.index == -1 for source in sources)
        warm_up(*arguments)
        made.append(runtime.made)

    estimator.warm_up = seen
    sources = [counted(FRAMES) for _ in range(3)]
    with Pipeline(sources, estimator, nobody) as pipeline:
        pipeline.run()

    assert made == [2 * 2]  # one image or two at a time, two of each under way


def test_images_are_laid_by_other_threads_than_the_one_that_submits(monkeypatch):
    estimator = Estimator("lite", StandIn(0.001), 64)
    estimator.align_threads = 2
    estimator.warm_up([(64, 96)])
    estimator.warm_up = lambda *arguments: None  # by the thread that runs the pipeline
    laid, submitted = set(), set()
    lay, submit = engine.estimator.lay_image, estimator.submit_prepared

    def seen(*arguments):
        laid.add(threading.current_thread().name)
        lay(*arguments)

    def noted(preparation):
        submitted.add(threading.current_thread().name)
        return submit(preparation)

    monkeypatch.setattr(engine.estimator, "lay_image", seen)
    monkeypatch.setattr(estimator, "submit_prepared", noted)
    with Pipeline([counted(FRAMES)], estimator, nobody) as pipeline:
        pipeline.run()

    assert submitted == {"infer"}
    assert laid and all(name.startswith("infer align") for name in laid)
    assert "infer: align" in pipeline.timings.parts


def test_an_image_that_cannot_be_laid_ends_the_run_and_every_frame_is_given_back(monkeypatch):
    estimator = Estimator("lite", StandIn(0.001), 64)
    estimator.align_threads = 2
    calls = []
    lay = engine.estimator.lay_image

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 9:
            raise ExecutionError("no")
        lay(*arguments)

    monkeypatch.setattr(engine.estimator, "lay_image", failing)
    sink = MemorySink()
    with (
        Pipeline([counted(FRAMES)], estimator, nobody, sinks=[[sink]]) as pipeline,
        pytest.raises(ExecutionError, match="no"),
    ):
        pipeline.run()

    assert sink.frames == list(range(len(sink.frames)))
    assert sink.closed == 1


def test_giving_back_what_no_thread_began_to_lay_does_not_hang():
    may_end, ended = threading.Event(), threading.Event()
    aligners = ThreadPoolExecutor(1)
    cancelled = []

    def lay() -> tuple[int, int]:
        may_end.wait()
        ended.set()
        return 0, 0

    taken = [
        _Taken([], list, partial(cancelled.append, index), [aligners.submit(lay)])
        for index in range(3)
    ]
    threading.Timer(0.05, may_end.set).start()
    aligners.shutdown(cancel_futures=True)  # as the worker does in the end: two never begin
    assert ended.is_set()

    release = threading.Thread(target=lambda: [each.release() for each in taken], daemon=True)
    release.start()
    joined(release)

    assert cancelled == [0, 1, 2]


@on_driver
def test_leaving_results_early_again_and_again_loses_no_gpu_memory(tmp_path: Path, driver) -> None:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path)
    before = driver.alive()
    path = Path(engine.__file__).parent / "weights" / "lite.onnx"
    metadata = read_metadata(path)
    runtime = RUNTIMES["tensorrt"].open(path, metadata, "fp16", Workload(input_size=64))
    with Estimator("lite", runtime, 64) as estimator:
        assert estimator.align_threads > 0
        alive = []
        for _ in range(5):
            options = PipelineConfig(in_flight=2)
            with Pipeline([counted(FRAMES)], estimator, nobody, options=options) as pipeline:
                for frame, _ in pipeline.results():
                    if frame.index == 7:
                        break
            alive.append(driver.alive())
        # Slots of what was under way are used again: more would be made each time.
        assert max(each["device_blocks"] for each in alive) < 7 * 16, alive
    assert driver.alive() == before, driver.alive()
    assert driver.faults() == {}
