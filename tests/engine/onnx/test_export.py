"""One exported file serves every size, says what it is, and computes what torch computes."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from configs import ConfigError, ModelError
from engine import load_network
from engine.onnx.export import export_onnx, hash_weights
from engine.onnx.graph import PoseGraph
from engine.onnx.metadata import read_metadata
from engine.onnx.weights import load_exported_network
from tests.engine.golden import SMALL_LITE, TINY, randomised

NAMES = ["heatmaps", "tags", "x", "y", "score", "tag"]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """`lite`, which has a quarter of HRNet's layers, with weights that make maps with distinct
    peaks.
    """
    return randomised(load_network(SMALL_LITE))


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    metadata = export_onnx(
        network, path, input_size=(128, 192), weights="random", ap=1.5, ap_measured_on="nothing"
    )
    return path, metadata


@functools.cache
def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(path, images):
    return dict(zip(NAMES, session(path).run(NAMES, {"image": images}), strict=True))


@pytest.mark.parametrize(
    "shape", [(1, 128, 192), (1, 192, 128), (2, 64, 64), (1, 96, 352), (3, 32, 64)]
)
def test_one_file_serves_every_size_and_batch(shape, network, exported):
    images = np.random.default_rng(1).integers(0, 255, (*shape, 3), np.uint8)

    found = run(exported[0], images)

    with torch.inference_mode():
        expected = PoseGraph(network)(torch.from_numpy(images))
    scale = float(expected.heatmaps.abs().max())
    np.testing.assert_allclose(found["heatmaps"], expected.heatmaps.numpy(), atol=1e-4 * scale)
    np.testing.assert_allclose(
        found["tags"], expected.tags.numpy(), atol=1e-4 * float(expected.tags.abs().max())
    )
    np.testing.assert_allclose(found["score"], expected.score.numpy(), atol=1e-4 * scale)
    for image in range(shape[0]):
        joints = np.arange(17)[:, None]
        at_candidates = found["heatmaps"][image, joints, found["y"][image], found["x"][image]]
        positive = found["score"][image] > 0
        np.testing.assert_array_equal(at_candidates[positive], found["score"][image][positive])


def test_metadata_travels_in_the_file(network, exported):
    path, written = exported

    read = read_metadata(path)

    assert read == written
    assert read.model == network.config
    assert read.input_size == (128, 192)
    assert read.weights_sha256 == hash_weights(network)
    assert (read.ap, read.ap_measured_on, read.map_stride) == (1.5, "nothing", 2)


def test_image_bytes_are_cast_before_anything_else(exported):
    graph = onnx.load(exported[0]).graph

    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    readers = [node.op_type for node in graph.node if graph.input[0].name in node.input]
    assert set(readers) <= {"Cast", "Shape"}
    assert [output.name for output in graph.output] == NAMES


def test_the_same_network_gives_the_same_file(network, exported, tmp_path):
    export_onnx(
        network,
        tmp_path / "again.onnx",
        input_size=(128, 192),
        weights="random",
        ap=1.5,
        ap_measured_on="nothing",
    )

    assert (tmp_path / "again.onnx").read_bytes() == exported[0].read_bytes()


def test_half_precision_weights_halve_the_file_and_keep_single_precision_arithmetic(
    network, exported, tmp_path
):
    export_onnx(network, tmp_path / "half.onnx", fp16_weights=True)
    images = np.random.default_rng(1).integers(0, 255, (1, 64, 96, 3), np.uint8)

    found, single = run(tmp_path / "half.onnx", images), run(exported[0], images)

    assert (tmp_path / "half.onnx").stat().st_size < 0.65 * exported[0].stat().st_size
    assert found["heatmaps"].dtype == np.float32
    scale = np.abs(single["heatmaps"]).max()
    np.testing.assert_allclose(found["heatmaps"], single["heatmaps"], atol=2e-2 * scale)


def test_a_static_file_takes_its_size_only(network, tmp_path):
    metadata = export_onnx(network, tmp_path / "static.onnx", static_size=(64, 96), map_stride=1)

    assert metadata.input_size == metadata.static_size == (64, 96)
    assert run(tmp_path / "static.onnx", np.zeros((1, 64, 96, 3), np.uint8))["heatmaps"].shape == (
        1,
        17,
        64,
        96,
    )
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        run(tmp_path / "static.onnx", np.zeros((1, 96, 64, 3), np.uint8))


def test_hrnet_is_exported_for_every_size_too(tmp_path):
    network = randomised(load_network(TINY))
    export_onnx(network, tmp_path / "tiny.onnx")
    images = np.random.default_rng(1).integers(0, 255, (2, 96, 160, 3), np.uint8)

    found = run(tmp_path / "tiny.onnx", images)

    with torch.inference_mode():
        expected = PoseGraph(network)(torch.from_numpy(images))
    np.testing.assert_allclose(
        found["heatmaps"],
        expected.heatmaps.numpy(),
        atol=1e-4 * float(expected.heatmaps.abs().max()),
    )
    np.testing.assert_allclose(
        found["tags"], expected.tags.numpy(), atol=1e-4 * float(expected.tags.abs().max())
    )


def test_exporting_leaves_the_network_as_it_was(network, tmp_path):
    network.train()
    torch.set_num_threads(2)
    export_onnx(network, tmp_path / "tiny.onnx")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in all tests of this package
    assert network.training
    assert threads == 2
    network.eval()


def test_a_size_that_cannot_be_used_is_refused_before_anything_is_written(network, tmp_path):
    with pytest.raises(ConfigError, match="multiple of 32, not 500"):
        export_onnx(network, tmp_path / "tiny.onnx", input_size=500)
    assert not list(tmp_path.iterdir())


def test_files_that_are_not_our_models_are_told_apart(exported, tmp_path):
    whole = exported[0].read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.onnx").write_text("this is text\n" * 10)
    foreign = onnx.load(exported[0])
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")

    for name, message in [
        ("cut.onnx", "damaged or cut off"),
        ("text.onnx", "is not an ONNX model"),
        ("foreign.onnx", "without this project's metadata"),
        ("nowhere.onnx", "No such file"),
    ]:
        with pytest.raises(ModelError, match=message):
            read_metadata(tmp_path / name)


def test_metadata_of_another_version_is_refused(exported, tmp_path):
    model = onnx.load(exported[0])
    for prop in model.metadata_props:
        if prop.key == "higherhrnet_stream.schema":
            prop.value = "99"
    onnx.save(model, tmp_path / "later.onnx")

    with pytest.raises(ModelError, match="metadata of version 99"):
        read_metadata(tmp_path / "later.onnx")


@pytest.mark.parametrize("fp16_weights", [False, True])
@pytest.mark.parametrize("model", [TINY, SMALL_LITE], ids=["hrnet", "lite"])
def test_the_network_can_be_taken_back_out(model, fp16_weights, tmp_path):
    network = load_network(model)  # fresh weights: many are equal, and stored once
    export_onnx(network, tmp_path / "model.onnx", fp16_weights=fp16_weights)

    back = load_exported_network(tmp_path / "model.onnx").state_dict()

    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(
            back[name], tensor, rtol=1e-3 if fp16_weights else 0, atol=1e-7 if fp16_weights else 0
        )
