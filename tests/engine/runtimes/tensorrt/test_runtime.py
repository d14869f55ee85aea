"""The runtime on real pycuda and a CUDA driver in memory: order, memory, threads, failures."""

from __future__ import annotations

import gc
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from configs import ConfigError, ExecutionError
from engine import parse_devices
from engine.onnx.metadata import read_metadata
from engine.runtimes import RUNTIMES, Workload
from engine.runtimes.engine_file import cached_engine_files
from engine.runtimes.gpus import driver_version
from engine.runtimes.tensorrt.cuda_graph import CudaGraph
from engine.runtimes.tensorrt.library import TURING
from tests.support.cuda import on_driver

SHAPES = [(64, 64), (64, 128)]


@contextmanager
def nothing_left(driver):
    """What the block allocates, it frees; and it does nothing that must never be done."""
    gc.collect()
    before = driver.alive()
    yield
    gc.collect()
    assert driver.alive() == before
    assert driver.faults() == {}


def open_lite(path, cache, name="tensorrt", **options):
    os.environ["XDG_CACHE_HOME"] = str(cache)
    return RUNTIMES[name].open(
        path, read_metadata(path), "fp16", Workload(input_size=64), **options
    )


def fill(slot, seed):
    slot.images[:] = np.random.default_rng(seed).integers(0, 255, slot.images.shape, np.uint8)


def check(slot):
    """Every output is that of the slot's own images (`driver.c`: compute)."""
    for index, image in enumerate(slot.images):
        pixels = image.ravel().astype(np.uint64)
        powers = np.array([pow(31, int(n), 1 << 32) for n in range(64)], np.uint64)
        total = 0
        for start in range(0, len(pixels), 64):  # 31**64 steps
            part = pixels[start : start + 64]
            value = int((part * powers[len(part) - 1 :: -1] % (1 << 32)).sum())
            total = (total * pow(31, len(part), 1 << 32) + value) % (1 << 32)
        total &= 0xFFFF
        for place, (name, array) in enumerate(slot.outputs.items()):
            expected = total % 7 if name in "xy" else total + place
            assert (array[index] == expected).all(), (name, array[index].ravel()[:3], expected)


def work(runtime, driver, turns=12):
    """Four slots of two shapes, three of them under way at a time, in disorder."""
    driver.jitter(400)
    slots = [runtime.make_slot(*SHAPES[index % 2]) for index in range(4)]
    pending = []
    for turn in range(turns):
        if len(pending) == 3:
            check(runtime.result(pending.pop(0)))
        slot = slots[turn % 4]
        fill(slot, turn)
        pending.append(runtime.submit(slot))
    for ticket in pending:
        check(runtime.result(ticket))


@on_driver
def test_outputs_are_those_of_their_own_image_whatever_the_order_of_streams(
    lite_onnx, tmp_path, driver
):
    with nothing_left(driver), open_lite(lite_onnx, tmp_path) as runtime:
        work(runtime, driver)
        assert driver.count("replays") == 8  # all but the first run of each slot
        assert driver.count("busiest") > 1


@pytest.mark.parametrize("how", ["begin", "lost", "instantiate"])
@on_driver
def test_where_nothing_can_be_recorded_the_work_is_started_anew_for_every_image(
    how, lite_onnx, tmp_path, driver
):
    driver.refuse_graphs(how)
    with nothing_left(driver), open_lite(lite_onnx, tmp_path) as runtime:
        work(runtime, driver)
        assert driver.count("replays") == 0
        assert driver.count("kernels") == 13  # one is that of opening


@on_driver
def test_work_that_is_not_ordered_by_events_would_be_seen_here(lite_onnx, tmp_path, driver):
    with open_lite(lite_onnx, tmp_path) as runtime:
        driver.ignore_waits(True)
        # On a loaded machine the work may happen to come in the right order.
        with pytest.raises(AssertionError, match=r"\('heatmaps'"):
            for _ in range(50):
                work(runtime, driver)


@on_driver
def test_images_of_a_batch_are_kept_apart(lite_onnx, tmp_path, driver):
    from engine.runtimes.tensorrt.build import Profile
    from engine.runtimes.tensorrt.cache import EngineRequest, build_engine_file
    from engine.runtimes.tensorrt.library import load_library
    from engine.runtimes.tensorrt.runtime import TensorRt

    profile = Profile(smallest=(64, 64), usual=(64, 128), largest=(128, 128), batch=(1, 2, 4))
    with nothing_left(driver), open_lite(lite_onnx, tmp_path) as other:
        request = EngineRequest(
            library=load_library("tensorrt"),
            path=lite_onnx,
            model=other.metadata.model.name,
            precision="fp16",
            profile=profile,
            gpu=other.device,
            driver=driver_version(),
        )
        _, folder = build_engine_file(request, tmp_path / "batches", progress=lambda *step: None)
        with TensorRt(lite_onnx, other.metadata, "fp16", engine_folder=folder) as runtime:
            assert runtime.max_batch == 4
            slot = runtime.make_slot(64, 64, 4)
            fill(slot, 1)
            check(runtime.result(runtime.submit(slot)))
            del slot


@on_driver
def test_nothing_is_left_when_one_thread_opens_another_works_and_a_third_closes(
    lite_onnx, tmp_path, driver
):
    def in_a_thread(call, *arguments):
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(call, *arguments).result()

    with nothing_left(driver):
        runtime = in_a_thread(open_lite, lite_onnx, tmp_path)
        slots = in_a_thread(lambda: [runtime.make_slot(64, 64) for _ in range(3)])
        for slot in slots[:2]:
            fill(slot, 5)
            in_a_thread(runtime.submit, slot)
        check(in_a_thread(runtime.result, slots[0]))
        in_a_thread(runtime.close)  # the second is still under way
        in_a_thread(runtime.close)
        check(slots[0])  # pinned memory stays for as long as somebody holds it
        del slot, slots[0]
        in_a_thread(slots.clear)


@on_driver
def test_slots_that_are_dropped_while_they_work_free_their_memory_after_it(
    lite_onnx, tmp_path, driver
):
    with nothing_left(driver), open_lite(lite_onnx, tmp_path) as runtime:
        runtime.result(runtime.submit(runtime.make_slot(64, 64)))
        before = driver.alive()
        for _ in range(5):
            slot = runtime.make_slot(64, 64)
            runtime.submit(slot)
            del slot
        threading.Thread(target=gc.collect).start()
        gc.collect()
        assert driver.alive() == before


@on_driver
def test_a_runtime_that_nobody_closes_frees_everything_with_its_last_slot(
    lite_onnx, tmp_path, driver
):
    with nothing_left(driver):
        runtime = open_lite(lite_onnx, tmp_path)
        slot = runtime.result(runtime.submit(runtime.make_slot(64, 64)))
        del runtime
        gc.collect()
        check(slot)
        del slot


@on_driver
def test_memory_that_is_out_at_any_allocation_is_one_line_and_loses_nothing(
    lite_onnx, tmp_path, driver
):
    def whole_life():
        with open_lite(lite_onnx, tmp_path) as runtime:
            slot = runtime.make_slot(64, 128)
            fill(slot, 1)
            check(runtime.result(runtime.submit(slot)))

    whole_life()
    driver.forget("allocations")
    whole_life()
    allocations = driver.count("allocations")
    assert allocations > 20
    for succeeding in range(allocations):
        with nothing_left(driver):
            driver.fail_allocations(succeeding)
            with pytest.raises(ExecutionError) as caught:
                whole_life()
            assert "memory" in str(caught.value) and "\n" not in str(caught.value)
            driver.fail_allocations(-1)
            del caught
    with nothing_left(driver):
        whole_life()


@pytest.mark.parametrize("pieces", [1, 2, 3, 9, 10])
@on_driver
def test_an_error_that_kills_the_context_is_reported_first_and_closing_adds_nothing(
    pieces, lite_onnx, tmp_path, driver
):
    with (
        pytest.raises(ExecutionError, match=r"(failed|could not start) on images .*700"),
        open_lite(lite_onnx, tmp_path) as runtime,
    ):
        slot = runtime.make_slot(64, 64)
        driver.die_after(pieces)
        for _ in range(3):
            runtime.result(runtime.submit(slot))
    del slot, runtime
    gc.collect()
    assert driver.count("misuse") == 0


@on_driver
def test_an_error_that_kills_the_context_before_recorded_work_says_on_what(
    lite_onnx, tmp_path, driver
):
    launch = CudaGraph.launch

    def last(graph, stream_handle):
        driver.die()
        launch(graph, stream_handle)

    with (
        pytest.raises(ExecutionError, match=r"could not start on images .*cuGraphLaunch.*700"),
        open_lite(lite_onnx, tmp_path) as runtime,
    ):
        slot = runtime.make_slot(64, 64)
        for _ in range(2):
            runtime.result(runtime.submit(slot))
        assert slot.handle.graph is not None
        CudaGraph.launch = last
        try:
            runtime.submit(slot)
        finally:
            CudaGraph.launch = launch
    del slot, runtime
    gc.collect()
    assert driver.count("misuse") == 0


@on_driver
def test_an_error_that_kills_the_context_during_a_recording_ends_the_recording(
    lite_onnx, tmp_path, driver
):
    import tensorrt

    plain = tensorrt.Context.execute_async_v3
    runs = []

    def killed(self, stream):
        runs.append(stream)
        if len(runs) == 2:  # the first is not recorded
            driver.die()
        return plain(self, stream)

    with (
        pytest.raises(ExecutionError, match="700"),
        pytest.MonkeyPatch.context() as patch,
        open_lite(lite_onnx, tmp_path) as runtime,
    ):
        patch.setattr(tensorrt.Context, "execute_async_v3", killed)
        slot = runtime.make_slot(64, 64)
        runtime.result(runtime.submit(slot))
    assert len(runs) == 2
    del slot, runtime
    gc.collect()
    driver.reset()  # a new process, as it were: nothing of the old one is still recording
    with open_lite(lite_onnx, tmp_path) as runtime:
        check(runtime.result(runtime.submit(runtime.make_slot(64, 64))))


@on_driver
def test_work_of_others_on_the_legacy_stream_spoils_no_recording(lite_onnx, tmp_path, driver):
    import tensorrt

    plain = tensorrt.Context.execute_async_v3
    said = []

    def disturbed(self, stream):
        done = plain(self, stream)
        said.append(driver.use_legacy_stream())
        return done

    with pytest.MonkeyPatch.context() as patch, open_lite(lite_onnx, tmp_path) as runtime:
        patch.setattr(tensorrt.Context, "execute_async_v3", disturbed)
        work(runtime, driver)
        assert driver.count("replays") == 8
    assert set(said) == {0}  # 906 would be what the other one gets


@on_driver
def test_a_recording_that_was_lost_is_tried_again(lite_onnx, tmp_path, driver):
    with open_lite(lite_onnx, tmp_path) as runtime:
        slot = runtime.make_slot(64, 64)
        driver.refuse_graphs("lost")
        runtime.result(runtime.submit(slot))
        driver.refuse_graphs("")
        for turn in range(3):
            fill(slot, turn)
            check(runtime.result(runtime.submit(slot)))
        assert driver.count("replays") == 2


@on_driver
def test_what_tensorrt_says_while_it_cannot_be_recorded_is_no_error(lite_onnx, tmp_path, driver):
    import tensorrt

    severity = tensorrt.ILogger.Severity
    plain = tensorrt.Context.execute_async_v3
    heard = []

    class Handler(logging.Handler):
        def emit(self, record):
            heard.append((record.levelname, record.getMessage()))

    handler = Handler(logging.DEBUG)
    root = logging.getLogger("engine")
    with pytest.MonkeyPatch.context() as patch, open_lite(lite_onnx, tmp_path) as runtime:
        runs = []

        def refusing(self, stream):
            runs.append(stream)
            if len(runs) == 2:
                tensorrt.Runtime.last_logger.log(severity.ERROR, "not while recording")
                return False
            return plain(self, stream)

        patch.setattr(tensorrt.Context, "execute_async_v3", refusing)
        root.setLevel(logging.DEBUG)
        root.addHandler(handler)
        try:
            slot = runtime.make_slot(64, 64)
            runtime.result(runtime.submit(slot))
        finally:
            root.removeHandler(handler)
            root.setLevel(logging.NOTSET)
    assert ("DEBUG", "not while recording") in heard
    assert [text for level, text in heard if level == "WARNING"] == [
        "tensorrt runs without a CUDA graph: the engine's work cannot be recorded as a CUDA graph"
    ]


@on_driver
def test_execution_contexts_share_their_memory_and_go_with_their_last_slot(
    lite_onnx, tmp_path, driver
):
    import tensorrt

    with nothing_left(driver), open_lite(lite_onnx, tmp_path) as runtime:
        gc.collect()
        assert tensorrt.alive == {"engines": 1, "contexts": 0}
        before = driver.alive()
        slots = [runtime.make_slot(*shape) for shape in SHAPES for _ in range(2)]
        for slot in slots:
            runtime.result(runtime.submit(slot))
        assert tensorrt.alive["contexts"] == 2
        buffers = 7 * len(slots)
        assert driver.alive()["device_blocks"] - before.get("device_blocks", 0) == buffers
        assert driver.count("executables") - before.get("executables", 0) == len(slots)
        del slot, slots[2:]
        gc.collect()
        assert tensorrt.alive["contexts"] == 1
        assert driver.count("executables") - before.get("executables", 0) == 2
        slots.clear()
    assert tensorrt.alive == {"engines": 0, "contexts": 0}


@on_driver
def test_a_size_that_the_engine_does_not_take_is_a_line(lite_onnx, tmp_path, driver):
    with (
        nothing_left(driver),
        open_lite(lite_onnx, tmp_path) as runtime,
        pytest.raises(ConfigError, match=r"\(1, 512, 512, 3\) are outside of the engine's sizes"),
    ):
        runtime.make_slot(512, 512)


@on_driver
def test_an_engine_that_does_not_load_frees_what_was_there(lite_onnx, tmp_path, driver):
    import tensorrt

    with nothing_left(driver), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorrt, "loads", False)
        with pytest.raises(ExecutionError, match="cannot load the engine"):
            open_lite(lite_onnx, tmp_path)


@on_driver
def test_the_gpu_that_was_named_computes_and_no_other(lite_onnx, tmp_path, driver):
    with nothing_left(driver):
        before = driver.blocks_on(0), driver.blocks_on(1)
        device = parse_devices("cuda:1").single
        with open_lite(lite_onnx, tmp_path, device=device) as runtime:
            work(runtime, driver, turns=6)
            assert str(runtime.gpu) == "cuda:1 (Memory 1)"
            assert driver.blocks_on(0) == before[0]
            assert driver.blocks_on(1) > before[1]


@on_driver
def test_an_engine_is_built_anew_for_another_driver_and_both_are_kept(lite_onnx, tmp_path, driver):
    def built():
        return {path.parent: path.stat().st_mtime_ns for path in tmp_path.rglob("engine.plan")}

    with pytest.MonkeyPatch.context() as patch:
        for serves, engines in (("12080", 1), ("13000", 2), ("12080", 2), ("13000", 2)):
            before = built()
            patch.setenv("DOUBLE_DRIVER", serves)
            with nothing_left(driver), open_lite(lite_onnx, tmp_path) as runtime:
                work(runtime, driver, turns=4)
            assert len(built()) == engines
            assert before.items() <= built().items()


@on_driver
def test_kernels_of_tensorrt_rtx_are_compiled_once_for_all_starts(lite_onnx, tmp_path, driver):
    import tensorrt_rtx

    for _ in range(2):
        with nothing_left(driver), open_lite(lite_onnx, tmp_path, "tensorrt_rtx") as runtime:
            work(runtime, driver, turns=8)
        assert tensorrt_rtx.compiled == 1
    (cache,) = tmp_path.rglob("kernels.cache")
    cache.write_bytes(b"of another driver")
    with open_lite(lite_onnx, tmp_path, "tensorrt_rtx"):
        assert tensorrt_rtx.compiled == 2


@on_driver
def test_tensorrt_rtx_has_an_engine_of_its_own_for_turing(lite_onnx, tmp_path, driver, monkeypatch):
    for capability, target in (("75", TURING), ("86", "any"), ("75", TURING)):
        monkeypatch.setenv("DOUBLE_CAPABILITY", capability)
        with nothing_left(driver), open_lite(lite_onnx, tmp_path, "tensorrt_rtx") as runtime:
            work(runtime, driver, turns=4)
        newest = cached_engine_files("lite", "tensorrt_rtx")
        assert target in {description.key.gpu for _, description in newest}
    assert len(newest) == 2


@on_driver
def test_a_gpu_that_shares_its_memory_reads_images_where_they_are(
    lite_onnx, tmp_path, driver, monkeypatch
):
    monkeypatch.setenv("DOUBLE_INTEGRATED", "1")
    with nothing_left(driver), open_lite(lite_onnx, tmp_path) as runtime:
        assert runtime.gpu.integrated
        slot = runtime.make_slot(*SHAPES[0])
        assert slot.handle.is_mapped("image")
        assert int(slot.handle.buffers["image"]) == slot.images.ctypes.data
        assert len(slot.handle.buffers) == 1 + len(slot.outputs)
        for seed in range(3):  # as it is, then recorded, then replayed
            fill(slot, seed)
            check(runtime.result(runtime.submit(slot)))
        work(runtime, driver)
        del slot
