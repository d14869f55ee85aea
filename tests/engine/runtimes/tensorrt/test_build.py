"""TensorRT-RTX, which builds without a GPU, makes one FP16 engine for all shapes, with single
precision where maps are made.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from configs import ConfigError, ModelError, RuntimeUnavailableError
from engine import find_model, load_network
from engine.onnx.export import export_onnx
from engine.runtimes import Workload
from engine.runtimes.tensorrt.build import Profile, build_with_parser, configure
from engine.runtimes.tensorrt.library import TURING, Library, load_library
from tests.support.waiting import ended

PROFILE = Profile(smallest=(64, 64), usual=(320, 448), largest=(640, 1152), batch=(1, 1, 4))


@pytest.fixture(scope="module")
def library():
    pytest.importorskip("tensorrt_rtx")
    return load_library("tensorrt_rtx")


@pytest.fixture(scope="module", params=["w4", "lite", "w32_512", "w48_640"])
def onnx_path(request, tmp_path_factory):
    """Exported networks; but for w4 and lite with random weights, which make no difference to a
    build.
    """
    if request.param == "lite":
        return find_model("lite").path
    path = tmp_path_factory.mktemp("models") / f"{request.param}.onnx"
    if request.param == "w4":
        export_onnx(request.getfixturevalue("golden_network")("w4"), path, fp16_weights=True)
    else:
        export_onnx(load_network(request.param), path)
    return path


# 7 and 9 s of processor time for w32_512 and w48_640, half of it for the export.
def test_one_engine_for_all_shapes_has_half_convolutions_and_single_islands(library, onnx_path):
    steps = []

    engine = build_with_parser(
        library, onnx_path, PROFILE, "fp16", progress=lambda *step: steps.append(step)
    )

    by_kind = {}
    for layer in engine.layers:
        by_kind.setdefault(layer.kind, set()).add(layer.output_type)
    assert by_kind["CONVOLUTION"] == {"HALF"}
    assert by_kind["DECONVOLUTION"] == {"HALF"}
    assert by_kind["POOLING"] == {"FLOAT"}  # the peaks
    assert by_kind["TOPK"] == {"FLOAT"}
    inside = [layer for layer in engine.layers if "/network/" in layer.name]
    outside = [layer for layer in engine.layers if layer not in inside]
    computing = {"ACTIVATION", "ELEMENTWISE", "RESIZE", "PADDING"}
    # Inside, single is only what lite makes of where its people are, and by how much heatmaps are
    # doubted; whatever has features of every pixel is in half.
    singles = {
        layer.name.split("/")[2].split(".")[0]
        for layer in inside
        if layer.output_type == "FLOAT" and layer.kind in computing
    }
    if "cells" in singles:
        assert {name for name in singles if name[0].islower()} == {"cells", "correction"}
        assert singles.isdisjoint({"Relu", "Relu_1", "Sigmoid"})  # of both heads, of heatmaps
    else:
        assert singles <= {"Resize", "Mul", "Mul_1"}
    assert {layer.output_type for layer in outside if layer.kind == "RESIZE"} == {"FLOAT"}
    assert "HALF" not in {layer.output_type for layer in outside if layer.kind in computing}
    assert engine.count()["CONVOLUTION HALF"] > 80
    assert len(engine.serialised) > 100_000
    assert steps
    assert all(0 < step <= count for _, step, count in steps)


def test_single_precision_has_no_half_anywhere(library):
    engine = build_with_parser(library, find_model("lite").path, PROFILE, "fp32")

    assert "HALF" not in {layer.output_type for layer in engine.layers}


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("fp16", True)])
def test_single_precision_is_not_tf32(precision, allowed, library):
    config = configure(library, library.module.Builder(library.logger), PROFILE, precision)

    assert config.get_flag(library.module.BuilderFlag.TF32) == allowed


def test_engines_of_tensorrt_rtx_are_for_every_gpu_that_it_knows(library):
    served = []
    for target in ("any", TURING):
        builder = library.module.Builder(library.logger)
        config = configure(library, builder, PROFILE, "fp16", target)
        served.append(
            {
                config.get_compute_capability(index).name
                for index in range(config.num_compute_capabilities)
            }
        )

    assert served[1] == {"SM75"}
    assert served[0] | served[1] == {each.name for each in library.capabilities}
    assert not served[0] & served[1]


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_what_ships_is_built_for_turing(library, precision):
    profile = Profile.for_run(Workload(input_size=320))

    engine = build_with_parser(library, find_model("lite").path, profile, precision, target=TURING)

    assert len(engine.serialised) > 1_000_000


@pytest.mark.parametrize("target", ["any", TURING])
def test_a_network_that_looks_twice_is_built(library, target, tmp_path, monkeypatch):
    monkeypatch.setenv("HIGHERHRNET_CACHE", str(tmp_path))
    profile = Profile.for_run(Workload(input_size=448))

    engine = build_with_parser(library, find_model("base").path, profile, "fp16", target=target)

    assert len(engine.serialised) > 1_000_000


class Recorder:
    """Stands in for what TensorRT 8.6, which no test can have, is told: names, and arguments."""

    def __init__(self, told, name=""):
        self.told, self.name = told, name

    def __getattr__(self, name):
        return Recorder(self.told, name)

    def __call__(self, *arguments):
        self.told.append((self.name, *(getattr(each, "name", each) for each in arguments)))
        return self


def test_contexts_share_the_profile_on_tensorrt_8_6():
    told = []
    module = types.SimpleNamespace(
        __version__="8.6.2",
        NetworkDefinitionCreationFlag=types.SimpleNamespace(EXPLICIT_BATCH=0),
        BuilderFlag=types.SimpleNamespace(FP16=Recorder(told, "FP16")),
        MemoryPoolType=types.SimpleNamespace(WORKSPACE=0),
        PreviewFeature=types.SimpleNamespace(PROFILE_SHARING_0806=Recorder(told, "sharing")),
    )

    configure(Library("tensorrt", module, None), Recorder(told), PROFILE, "fp16")

    assert ("set_preview_feature", "sharing", True) in told
    assert ("set_flag", "FP16") in told


def test_ctrl_c_stops_a_build_and_leaves_no_engine(library, lite_onnx, tmp_path):
    # In a process of its own: it is a command that is interrupted, and the signal would reach other
    # libraries' threads here.
    command = [
        sys.executable,
        "-m",
        "engine",
        "build",
        "--model",
        str(lite_onnx),
        "--runtime",
        "tensorrt_rtx",
    ]
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "built")],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
    )
    with process:
        for line in process.stderr:
            if "building lite with tensorrt_rtx" in line:
                process.send_signal(signal.SIGINT)
                break
        _, rest = ended(process)

    assert process.returncode == 130, rest
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "built").exists()


def test_a_file_that_is_no_graph_is_refused(library, lite_onnx, tmp_path):
    import onnx

    model = onnx.load(lite_onnx)
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "foreign.onnx")

    with pytest.raises(ModelError, match=r"tensorrt_rtx .* refuses .*foreign.onnx"):
        build_with_parser(library, tmp_path / "foreign.onnx", PROFILE, "fp32")


def test_a_missing_library_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        RuntimeUnavailableError, match=r"tensorrt is not installed: pip install 'higherhrnet-stream"
    ):
        load_library("tensorrt")


@pytest.mark.parametrize(
    "sizes",
    [
        {"smallest": (640, 640)},
        {"usual": (100, 128)},
        {"batch": (2, 1, 1)},
        {"largest": (256, 256)},
    ],
)
def test_a_profile_that_does_not_grow_is_refused(sizes):
    with pytest.raises(ConfigError):
        Profile(**sizes)


@pytest.mark.parametrize("input_size", [192, 384, 640, (384, 640)])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 2.0)])
@pytest.mark.parametrize(
    "image", [(1080, 1920), (1920, 1080), (2532, 1170), (480, 640), (600, 600), (1440, 2560)]
)
def test_the_profile_of_a_run_takes_lying_and_upright_images_at_every_scale(
    input_size, scales, image
):
    workload = Workload(input_size=input_size, scales=scales)
    profile = Profile.for_run(workload)

    for alignment in workload.alignments(image):
        shape = (1, *alignment.input_size, 3)
        assert all(
            low <= side <= high
            for low, side, high in zip(profile.shapes[0], shape, profile.shapes[2], strict=True)
        )


def test_a_run_is_fastest_at_16_to_9_and_a_fixed_size_is_all_that_is_built_for():
    assert Profile.for_run(Workload(input_size=384)).usual == (384, 704)
    fixed = Profile.for_run(Workload(input_size=(320, 448)))
    assert fixed.smallest == fixed.usual == fixed.largest == (320, 448)
