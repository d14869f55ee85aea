"""The rewritten graph computes what the exported one does, and has nothing left of what it was
rewritten for.
"""

from __future__ import annotations

import numpy as np
import pytest

from engine.model_source import find_model
from engine.onnx.export import export_onnx
from engine.runtimes.openvino.passes import rewrite_for_cpu

openvino = pytest.importorskip("openvino")

EVERY_PASS = [
    "fold_channel_order",
    "bypass_splits",
    "separate_peak_pooling",
    "make_planes_by_product",
]
# HRNet has one convolution for heatmaps and tags: nothing is joined.
WITHOUT_SPLITS = [name for name in EVERY_PASS if name != "bypass_splits"]


def results(model, images):
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "PERF_COUNT": True}
    model = model.clone()
    model.reshape(list(images.shape))
    request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()
    request.infer({0: images})
    maps = {
        name: request.get_tensor(name).data.copy()
        for name in ("heatmaps", "tags", "x", "y", "score", "tag")
    }
    return maps, [(step.node_type, step.exec_type) for step in request.get_profiling_info()]


def peaks(maps, threshold):
    """(image, joint, x, y) of the peaks above that share of the highest."""
    places = np.argwhere(maps["score"] > threshold * maps["score"].max())
    return {
        (image, joint, maps["x"][image, joint, rank], maps["y"][image, joint, rank])
        for image, joint, rank in places
    }


@pytest.fixture(scope="module")
def paths(lite_onnx, w4_onnx, lite_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    export_onnx(lite_network, folder / "halved.onnx", map_stride=1, fp16_weights=True)
    return {path.stem: path for path in (lite_onnx, w4_onnx, *folder.iterdir())}


@pytest.mark.parametrize(
    "name, passes",
    [
        ("lite", EVERY_PASS),
        ("halved", EVERY_PASS),
        ("w4", WITHOUT_SPLITS),
    ],
)
def test_maps_and_candidates_stay_what_they_were(name, passes, paths):
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 96, 3), np.uint8)
    model = openvino.Core().read_model(str(paths[name]))
    expected, _ = results(model, images)

    assert rewrite_for_cpu(model) == passes
    found, steps = results(model, images)

    for map_name in ("heatmaps", "tags", "score"):
        scale = np.abs(expected[map_name]).max()
        np.testing.assert_allclose(
            found[map_name], expected[map_name], atol=3e-4 * scale, err_msg=map_name
        )
    # Of equal height or nearly so, either may come first.
    assert peaks(found, 0.11) <= peaks(expected, 0.1)
    assert peaks(expected, 0.11) <= peaks(found, 0.1)
    assert len(peaks(found, 0.11)) > 100
    if name == "lite":
        assert ("VariadicSplit", "ref_f32") not in steps


def test_two_looks_with_the_same_parameters_keep_their_colours_and_are_fused(tmp_path, monkeypatch):
    monkeypatch.setenv("HIGHERHRNET_CACHE", str(tmp_path))
    # Two first convolutions read the image, one of them at half its size, and two every bias.
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 192, 3), np.uint8)
    model = openvino.Core().read_model(str(find_model("base").path))
    expected, apart = results(model, images)

    assert rewrite_for_cpu(model) == [EVERY_PASS[0], "unshare_biases", *EVERY_PASS[1:]]
    found, steps = results(model, images)

    # Biases and activations are steps of their own where they are not part of a convolution.
    elementwise, before = (
        [kind for kind, _ in taken].count("Subgraph") for taken in (steps, apart)
    )
    assert elementwise < 100 < 200 < before
    for name in ("heatmaps", "tags"):
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3 * scale, err_msg=name)


def test_every_map_is_a_copy_and_not_a_sum(paths):
    # The product with the identity must not round: peaks are found in the maps before it.
    model = openvino.Core().read_model(str(paths["lite"]))
    rewrite_for_cpu(model)
    images = np.random.default_rng(1).integers(0, 255, (1, 64, 96, 3), np.uint8)
    found, _ = results(model, images)
    joint = np.arange(17)[:, None]
    x, y, score = found["x"][0], found["y"][0], found["score"][0]
    np.testing.assert_array_equal(found["heatmaps"][0][joint, y, x][score > 0], score[score > 0])


def test_a_graph_that_looks_otherwise_is_left_alone():
    from openvino import opset13 as ops

    image = ops.parameter([1, 32, 32, 3], np.uint8, name="image")
    image.output(0).set_names({"image"})
    maps = ops.transpose(ops.convert(image, "f32"), ops.constant([0, 3, 1, 2]))
    outputs = []
    for name in ("heatmaps", "tags"):
        result = ops.result(ops.multiply(maps, ops.constant(np.float32(2))))
        result.output(0).set_names({name})
        outputs.append(result)
    model = openvino.Model(outputs, [image])

    assert rewrite_for_cpu(model) == []
