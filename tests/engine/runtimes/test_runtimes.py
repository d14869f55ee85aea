"""Runtimes agree with torch, keep several slots apart, and say what they are."""

from __future__ import annotations

import ctypes
import logging
import re
import sys
import types

import numpy as np
import pytest
import torch

from basics.demo import DEMO_CLIP
from basics.hardware import usable_cores
from configs import ConfigError, ExecutionError, ModelError, RuntimeUnavailableError
from engine.model_source import find_model
from engine.onnx.graph import PoseGraph
from engine.onnx.metadata import read_metadata
from engine.onnx.weights import load_exported_network
from engine.runtimes import RUNTIMES, Workload, open_runtime
from engine.runtimes.openvino.runtime import _HINTS, convolution_precisions
from engine.runtimes.tensorrt.library import load_library
from engine.runtimes.torch_cpu import TorchCpu
from engine.verify.maps import TOLERANCES, measure_parity
from keypoint_datasets.images import load_images
from tests.support.processor import has_bf16

has_cuda = torch.cuda.is_available
CPU = ["torch", "openvino", "onnxruntime"]


@pytest.fixture(scope="module", params=CPU)
def runtime(request, lite_onnx):
    pytest.importorskip(request.param)
    with open_runtime(lite_onnx, read_metadata(lite_onnx), request.param) as runtime:
        yield runtime


def pictures(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (*shape, 3), np.uint8)


def close(found, expected):
    expected = expected.numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("shape", [(1, 64, 96), (1, 96, 64), (2, 64, 64)])
def test_outputs_equal_torch(shape, runtime, lite_network):
    slot = runtime.make_slot(*shape[1:], batch=shape[0])
    slot.images[:] = pictures(shape)

    assert runtime.result(runtime.submit(slot)) is slot

    with torch.inference_mode():
        expected = PoseGraph(lite_network)(torch.from_numpy(slot.images))
    close(slot.heatmaps, expected.heatmaps)
    close(slot.tags, expected.tags)
    close(slot.score, expected.score)
    image, joint = np.ogrid[: shape[0], :17]
    at_candidates = slot.heatmaps[image[..., None], joint[..., None], slot.y, slot.x]
    np.testing.assert_array_equal(at_candidates[slot.score > 0], slot.score[slot.score > 0])


def test_slots_in_flight_do_not_touch_each_other(runtime, lite_network):
    slots = [runtime.make_slot(64, 96) for _ in range(3)]
    for turn in range(3):
        tickets = []
        for index, slot in enumerate(slots):
            slot.images[:] = pictures((1, 64, 96), seed=10 * turn + index)
            tickets.append(runtime.submit(slot))
        for ticket in tickets:
            slot = runtime.result(ticket)
            with torch.inference_mode():
                close(
                    slot.heatmaps, PoseGraph(lite_network)(torch.from_numpy(slot.images)).heatmaps
                )


def test_openvino_computes_several_images_at_a_time_and_gives_the_same_maps(lite_onnx):
    pytest.importorskip("openvino")
    metadata = read_metadata(lite_onnx)
    images = pictures((6, 64, 96), seed=1)
    found = {}
    for streams in (1, 2):
        workload = Workload(input_size=(64, 96), streams=streams)
        with open_runtime(lite_onnx, metadata, "openvino", workload=workload) as runtime:
            assert runtime.streams == min(streams, usable_cores())
            slots = [runtime.make_slot(64, 96) for _ in images]
            for slot, image in zip(slots, images, strict=True):
                slot.images[0] = image
                runtime.submit(slot)
            found[streams] = [runtime.result(slot).heatmaps.copy() for slot in slots]
    expected = np.concatenate(found[1])
    np.testing.assert_allclose(np.concatenate(found[2]), expected, atol=2e-4 * expected.max())


def test_a_size_that_the_model_does_not_take_is_refused(runtime):
    with pytest.raises(ConfigError, match="multiple of 32, not 65"):
        runtime.make_slot(65, 96)


def test_openvino_computes_in_the_precision_that_was_asked_for(lite_onnx):
    pytest.importorskip("openvino")
    metadata = read_metadata(lite_onnx)
    maps = {}
    wanted = ("auto", "fp32", "bf16") if has_bf16() else ("auto", "fp32")
    for precision in wanted:
        with open_runtime(lite_onnx, metadata, "openvino", precision) as runtime:
            slot = runtime.make_slot(64, 96)
            slot.images[:] = pictures((1, 64, 96))
            maps[runtime.precision] = runtime.result(runtime.submit(slot)).heatmaps.copy()
            asked = (
                slot.handle.get_compiled_model()
                .get_property("INFERENCE_PRECISION_HINT")
                .get_type_name()
            )
            assert asked == {"fp32": "f32", "bf16": "bf16"}[runtime.precision]
            computing = convolution_precisions(slot.handle.get_compiled_model())
            assert computing == {asked}
    assert set(maps) == {*wanted, "fp32"} - {"auto"}


def test_a_precision_that_openvino_does_not_compute_in_is_refused(lite_onnx, monkeypatch):
    """As on processors without bf16, where it takes single precision and says nothing."""
    pytest.importorskip("openvino")
    monkeypatch.setitem(_HINTS, "bf16", "f32")
    with (
        open_runtime(lite_onnx, read_metadata(lite_onnx), "openvino", "bf16") as runtime,
        pytest.raises(ExecutionError, match=r"does not compute in bf16 .*f32.*--precision fp32"),
    ):
        runtime.make_slot(64, 96)


@pytest.mark.parametrize("entry", RUNTIMES.values(), ids=RUNTIMES)
def test_a_runtime_is_called_what_the_registry_calls_it(entry):
    assert entry.runtime_class().name == entry.name


def test_auto_takes_the_first_that_works_and_says_which(lite_onnx, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("engine.runtimes.registry._has_cuda_driver", lambda: False)

    with (
        caplog.at_level(logging.INFO),
        open_runtime(lite_onnx, read_metadata(lite_onnx)) as runtime,
    ):
        assert runtime.name == "onnxruntime"

    assert "runtime openvino not taken: openvino is not installed" in caplog.text
    assert "lite runs on onnxruntime (cpu) in fp32" in caplog.text


@pytest.mark.parametrize("name", CPU)
def test_a_runtime_that_is_asked_for_by_name_and_missing_names_its_extra(
    name, lite_onnx, monkeypatch
):
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(RuntimeUnavailableError, match=rf"{name} is not installed: pip install"):
        open_runtime(lite_onnx, read_metadata(lite_onnx), "torch_cpu" if name == "torch" else name)


@pytest.mark.parametrize("name", [entry.name for entry in RUNTIMES.values() if entry.needs_gpu])
def test_a_gpu_runtime_without_a_gpu_says_so(name, lite_onnx, monkeypatch):
    monkeypatch.setattr("engine.runtimes.registry._has_cuda_driver", lambda: False)

    with pytest.raises(
        RuntimeUnavailableError,
        match=f"{name} needs a CUDA GPU, and this machine has no CUDA driver",
    ):
        open_runtime(lite_onnx, read_metadata(lite_onnx), name)


@pytest.mark.parametrize("name", [entry.name for entry in RUNTIMES.values() if entry.needs_gpu])
@pytest.mark.skipif(not has_cuda(), reason="needs a CUDA GPU")
def test_gpu_runtimes_agree_with_torch_on_the_cpu(name):
    # Weights that were trained, and photographs: tolerances are those of heatmaps in 0..1. Random
    # weights make maps of any size, on which half precision is out of every tolerance.
    source = find_model("lite")
    try:
        runtime = open_runtime(source.path, source.metadata, name)
    except RuntimeUnavailableError as error:
        pytest.skip(str(error))
    with runtime, open_runtime(source.path, source.metadata, "torch_cpu") as reference:
        parity = measure_parity(
            runtime, reference, load_images([DEMO_CLIP]), source.metadata.input_size
        )
        assert not TOLERANCES[runtime.precision].exceeded_by(parity)


class HalfTorchCpu(TorchCpu):
    """Computes in half precision, as a GPU does."""

    def __init__(self, path, metadata, precision):
        super().__init__(path, metadata, precision)
        self._graph = PoseGraph(load_exported_network(path).half(), metadata.map_stride)


def test_half_precision_of_the_shipped_weights_is_within_its_tolerance():
    source = find_model("lite")
    reference = open_runtime(source.path, source.metadata, "torch_cpu")
    halved = HalfTorchCpu(source.path, source.metadata, "fp16")
    with reference, halved:
        parity = measure_parity(
            halved, reference, load_images([DEMO_CLIP])[:1], source.metadata.input_size
        )
    assert parity.heatmap_max > 1e-4
    assert not TOLERANCES["fp16"].exceeded_by(parity)


@pytest.mark.parametrize("version", ["8.4.3.1", "7.2"])
def test_a_tensorrt_that_is_too_old_is_named_with_what_is_supported(version, monkeypatch):
    severity = types.SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)
    logger = type("ILogger", (), {"Severity": severity})
    monkeypatch.setitem(
        sys.modules, "tensorrt", types.SimpleNamespace(__version__=version, ILogger=logger)
    )

    with pytest.raises(
        RuntimeUnavailableError,
        match=rf"TensorRT {re.escape(version)} is too old, it must be 8\.6 to 11",
    ):
        load_library("tensorrt")


def test_without_a_gpu_auto_falls_back_and_gives_the_reason(lite_onnx, caplog, monkeypatch):
    monkeypatch.setattr("engine.runtimes.registry._has_cuda_driver", lambda: False)

    with (
        caplog.at_level(logging.INFO),
        open_runtime(lite_onnx, read_metadata(lite_onnx)) as runtime,
    ):
        assert runtime.device == "cpu"

    assert "runtime tensorrt not taken: tensorrt needs a CUDA GPU" in caplog.text


def test_when_nothing_works_every_reason_is_given(lite_onnx, monkeypatch):
    for entry in RUNTIMES.values():
        monkeypatch.setitem(sys.modules, entry.name, None)
    monkeypatch.setattr("engine.runtimes.registry._has_cuda_driver", lambda: False)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"no runtime can run .*openvino is not installed.*onnxruntime is not",
    ):
        open_runtime(lite_onnx, read_metadata(lite_onnx))


def test_where_only_the_precision_is_missing_it_and_what_would_do_are_named(lite_onnx, monkeypatch):
    monkeypatch.setattr("engine.runtimes.registry._has_cuda_driver", lambda: False)
    with pytest.raises(
        RuntimeUnavailableError,
        match=r"in fp16: tensorrt needs .*; in another precision .*onnxruntime \(fp32\).* can$",
    ):
        open_runtime(lite_onnx, read_metadata(lite_onnx), precision="fp16")


@pytest.mark.parametrize(
    "name, precision, message",
    [
        ("onnxrutime", "auto", r"unknown runtime 'onnxrutime', did you mean 'onnxruntime'\?"),
        ("auto", "fp23", r"unknown precision 'fp23', did you mean 'fp32'\?"),
        (
            "onnxruntime",
            "bf16",
            "'onnxruntime' does not compute in bf16; torch_cuda, openvino does",
        ),
    ],
)
def test_what_is_not_offered_is_refused_with_what_is(name, precision, message, lite_onnx):
    with pytest.raises(ConfigError, match=message):
        open_runtime(lite_onnx, read_metadata(lite_onnx), name, precision)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_damaged_graph_is_a_model_error(name, lite_onnx, tmp_path):
    pytest.importorskip(name)
    metadata = read_metadata(lite_onnx)
    content = bytearray(lite_onnx.read_bytes())
    content[len(content) // 3 :] = b"\0" * (len(content) - len(content) // 3)
    (tmp_path / "damaged.onnx").write_bytes(content)

    with pytest.raises((ModelError, ExecutionError), match=f"{name} cannot load"):
        open_runtime(tmp_path / "damaged.onnx", metadata, name)


def test_openvino_leaves_the_stack_of_signal_handlers_alone(lite_onnx):
    pytest.importorskip("openvino")
    metadata, before = read_metadata(lite_onnx), signal_stack()
    first = open_runtime(lite_onnx, metadata, "openvino")
    second = open_runtime(lite_onnx, metadata, "openvino")
    for runtime in (first, second):
        runtime.result(runtime.submit(runtime.make_slot(64, 96)))
    first.close()  # in the order in which they came, which used to leave a freed stack behind
    second.close()
    del first, second, runtime
    assert signal_stack() == before


def signal_stack() -> tuple[int, int]:
    state = (ctypes.c_size_t * 3)()
    ctypes.CDLL(None).sigaltstack(None, state)
    return state[0], state[2]
