"""int8 is made from images in one command, keeps the head in float, and is found by runs."""

from __future__ import annotations

import shutil
import zipfile

import cv2
import numpy as np
import pytest

from basics.demo import DEMO_CLIP
from configs import ModelError, RuntimeUnavailableError
from engine import open_estimator
from engine.__main__ import main
from engine.model_source import find_model
from engine.runtimes.engine_file import ENGINE_NAME, EngineFile
from engine.runtimes.openvino.passes import rewrite_for_cpu
from engine.runtimes.openvino.quantisation import float_nodes, quantised_key, read_quantised
from engine.runtimes.openvino.runtime import OpenVino
from keypoint_datasets.images import load_images

openvino = pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def built(lite_onnx, tmp_path_factory):
    """The exported model with its int8 form beside it."""
    pytest.importorskip("nncf")
    folder = tmp_path_factory.mktemp("int8")
    shutil.copy(lite_onnx, folder / "lite.onnx")
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for seed in range(6):
            image = cv2.GaussianBlur(
                np.random.default_rng(seed).integers(0, 255, (70, 90, 3), np.uint8), (9, 9), 3
            )
            archive.writestr(f"images/{seed}.png", cv2.imencode(".png", image)[1].tobytes())
    options = [
        "--runtime",
        "openvino",
        "--precision",
        "int8",
        "--calibration",
        str(folder / "images.zip"),
    ]
    options += ["--calibration-limit", "4", "--input-size", "64", "-o", str(folder / "lite.int8")]
    # Random weights are no network that was trained: what int8 does to its maps is out of any
    # tolerance.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.verify.maps.Tolerance.exceeded_by", lambda self, parity: "")
        assert main(["build", "--model", str(folder / "lite.onnx"), *options]) == 0
    return folder / "lite.onnx"


def test_the_description_says_how_it_was_made_and_what_it_costs(built):
    description = EngineFile(built.with_suffix(".int8")).read_description()

    assert description.key == quantised_key(built)
    assert set(description.tools) == {"nncf", "openvino"}
    assert description.calibration_images == 4
    assert description.parity["heatmap_mean"] > 0
    assert "people_lost" in description.parity
    assert description.latency_ms["p50"] > 0


def test_the_backbone_is_int8_and_the_head_float(built):
    core = openvino.Core()
    model = read_quantised(
        core, openvino.Tensor, (built.with_suffix(".int8") / ENGINE_NAME).read_bytes()
    )
    quantised = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() in (
            "Convolution",
            "GroupConvolution",
            "ConvolutionBackpropData",
            "MatMul",
        ):
            name = node.get_friendly_name()
            part = name.split("/")[2] if name.startswith("/network/") else node.get_type_name()
            quantised.setdefault(part, set()).add(
                node.input_value(0).get_node().get_type_name() == "FakeQuantize"
            )
    assert True in quantised.pop("backbone")
    assert set(quantised) >= {
        "tags",
        "neck",
        "final_layers.0",
        "final_layers.1",
        "ConvolutionBackpropData",
        "MatMul",
    }
    assert set().union(*quantised.values()) == {False}


def test_runs_find_it_and_take_it_only_when_it_is_asked_for(built):
    image = load_images([DEMO_CLIP])[0]
    maps = {}
    for precision in ("auto", "int8"):
        with open_estimator(
            built, runtime="openvino", precision=precision, input_size=(64, 96)
        ) as estimator:
            maps[estimator.precision] = estimator.result(estimator.submit(image)).heatmaps.copy()
    assert set(maps) == {"fp32", "int8"}
    assert np.abs(maps["fp32"] - maps["int8"]).max() > 0


def test_it_is_not_taken_for_another_model_or_when_it_is_damaged(
    built, lite_onnx, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(built.with_suffix(".int8"), tmp_path / "lite.int8")
    path = tmp_path / "lite.onnx"
    path.write_bytes(lite_onnx.read_bytes() + b"\0\0")  # other weights, for all that the key knows
    metadata = pytest.importorskip("engine.onnx.metadata").read_metadata(lite_onnx)
    with pytest.raises(RuntimeUnavailableError, match="make it with python -m engine build"):
        OpenVino(path, metadata, "int8")
    assert "source_sha256" in caplog.text

    shutil.copy(built, path)
    engine = tmp_path / "lite.int8" / ENGINE_NAME
    engine.write_bytes(engine.read_bytes()[:-1])
    with pytest.raises(RuntimeUnavailableError, match="there is no int8 form"):
        OpenVino(path, metadata, "int8")
    assert "is damaged" in caplog.text


def test_without_nncf_the_extra_is_named(lite_onnx, tmp_path, monkeypatch, capfd):
    import sys

    monkeypatch.setitem(sys.modules, "nncf", None)
    options = [
        "--runtime",
        "openvino",
        "--precision",
        "int8",
        "--calibration",
        str(DEMO_CLIP),
        "-o",
        str(tmp_path / "int8"),
    ]

    assert main(["build", "--model", str(lite_onnx), *options]) == 2
    assert "int8 needs nncf: pip install 'higherhrnet-stream[quantize]'" in capfd.readouterr().err
    assert not (tmp_path / "int8").exists()


def test_a_graph_without_the_head_s_names_is_refused():
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 32, 32], np.float32)
    model = openvino.Model([ops.relu(image)], [image])
    with pytest.raises(ModelError, match="no head under the names"):
        float_nodes(model)


def test_what_is_float_in_hrnet_is_its_head(w4_onnx):
    model = openvino.Core().read_model(str(w4_onnx))
    rewrite_for_cpu(model)
    names = set(float_nodes(model))
    convolutions = {
        node.get_friendly_name()
        for node in model.get_ops()
        if node.get_type_name() == "Convolution"
    }

    floats = {name.split("/")[2] for name in convolutions & names}
    assert floats == {"final_layers.0", "final_layers.1", "deconv_layers.0"}
    assert {name.split("/")[2] for name in convolutions - names} >= {"conv1", "layer1", "stage4"}


@pytest.mark.parametrize("name", ["lite", "base"])
def test_in_lite_and_base_all_is_float_but_the_backbone(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HIGHERHRNET_CACHE", str(tmp_path))
    model = openvino.Core().read_model(str(find_model(name).path))
    rewrite_for_cpu(model)
    names = set(float_nodes(model))
    convolutions = [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if "Convolution" in node.get_type_name()
    ]

    for convolution in convolutions:
        is_backbones = convolution.startswith("/network/backbone/")
        assert (convolution in names) is not is_backbones, convolution
    assert len(names.intersection(convolutions)) > 10
