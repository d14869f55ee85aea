"""TensorRT-RTX, which builds without a GPU, makes one FP16 engine for all shapes, with single precision where maps are made."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from configs import ConfigError, ModelError, RuntimeUnavailableError
from engine.export import export_onnx
from engine.tensorrt_build import Profile, build_engine
from engine.tensorrt_library import load_library

PROFILE = Profile(smallest=(64, 64), usual=(320, 448), largest=(640, 1152), batch=(1, 1, 4))


@pytest.fixture(scope="module")
def library():
    pytest.importorskip("tensorrt_rtx")
    return load_library("tensorrt_rtx")


@pytest.fixture(scope="module", params=["hrnet", "lite"])
def onnx_path(request, tmp_path_factory):
    if request.param == "lite":
        return request.getfixturevalue("lite_onnx")
    path = tmp_path_factory.mktemp("models") / "w4.onnx"
    export_onnx(request.getfixturevalue("golden_network")("w4"), path, fp16_weights=True)
    return path


def test_convolutions_are_half_and_the_islands_single(library, onnx_path):
    steps = []

    engine = build_engine(library, onnx_path, PROFILE, "fp16", progress=lambda *step: steps.append(step))

    by_kind = {}
    for layer in engine.layers:
        by_kind.setdefault(layer.kind, set()).add(layer.output_type)
    assert by_kind["CONVOLUTION"] == {"HALF"}
    assert by_kind["DECONVOLUTION"] == {"HALF"}
    assert by_kind["POOLING"] == {"FLOAT"}  # the peaks
    assert by_kind["TOPK"] == {"FLOAT"}
    assert {layer.output_type for layer in engine.layers if layer.kind == "RESIZE" and "network" not in layer.name} == {"FLOAT"}
    assert engine.count()["CONVOLUTION HALF"] > 80
    assert len(engine.plan) > 100_000
    assert steps
    assert all(0 < step <= count for _, step, count in steps)


def test_single_precision_has_no_half_anywhere(library, lite_onnx):
    engine = build_engine(library, lite_onnx, PROFILE, "fp32")

    assert "HALF" not in {layer.output_type for layer in engine.layers}


def test_an_interrupt_stops_the_build(library, lite_onnx):
    before = threading.active_count()
    interrupts = iter([signal.SIGINT])

    def interrupt(phase, step, count):
        for number in interrupts:  # once; what Ctrl-C sends reaches the main thread, which waits for the build
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        build_engine(library, lite_onnx, PROFILE, progress=interrupt)

    assert threading.active_count() == before


def test_a_file_that_is_no_graph_is_refused(library, lite_onnx, tmp_path):
    import onnx

    model = onnx.load(lite_onnx)
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "foreign.onnx")

    with pytest.raises(ModelError, match=r"tensorrt_rtx .* refuses .*foreign.onnx"):
        build_engine(library, tmp_path / "foreign.onnx", PROFILE, "fp32")


def test_a_missing_library_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(RuntimeUnavailableError, match=r"tensorrt is not installed: pip install 'higherhrnet-stream"):
        load_library("tensorrt")


@pytest.mark.parametrize(
    "sizes", [{"smallest": (640, 640)}, {"usual": (100, 128)}, {"batch": (2, 1, 1)}, {"largest": (256, 256)}]
)
def test_a_profile_that_does_not_grow_is_refused(sizes):
    with pytest.raises(ConfigError):
        Profile(**sizes)
