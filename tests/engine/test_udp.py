"""Alignment `udp` (Huang et al., CVPR 2020): worked out by hand, and the same on every way through
the engine.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from configs import load_model_config
from engine import align, infer_maps, load_network, open_estimator
from engine.multi_view import _weights
from engine.networks.aggregation import merge_resolutions
from engine.onnx.export import export_onnx
from engine.onnx.graph import PoseGraph
from tests.engine.golden import TINY, randomised

UDP = dataclasses.replace(TINY, alignment="udp")


@pytest.fixture(scope="module")
def network():
    return randomised(load_network(UDP))


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "udp.onnx"
    export_onnx(network, path)
    return path


def assert_near(found, expected):
    """Maps of random weights are as large as they happen to be."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * np.abs(expected).max())


def point(x: float, y: float) -> np.ndarray:
    return np.array([[x, y]], np.float32)


# By hand, with pixels counted from 0 at their centres and a short side of 64. An image of 127 x 64
# needs ceil64(127) = 128 x 64 of input; its height is 63 steps from first to last pixel there and
# here, so zoom is 1, and the 127 steps across the input cover 127 pixels of the image. Maps of
# stride 2 have 64 x 32 pixels: 63 steps for 127 across, 31 steps for 63 down.
# Upright, 33 x 60: the width's 32 steps become 63, ceil64(64 / 33 * 60) = 128 down are 127 steps,
# which cover 127 * 32 / 63 = 64.508 of the image. Maps: 31 steps across, 63 down.
@pytest.mark.parametrize(
    "image, input_size, image_point, map_pixel",
    [
        ((64, 127), (64, 128), (0, 0), (0, 0)),
        ((64, 127), (64, 128), (127, 63), (63, 31)),  # the input's last pixel, beside the image
        ((64, 127), (64, 128), (127 / 63 * 21, 63 / 31 * 5), (21, 5)),
        ((60, 33), (128, 64), (32, 64.508), (31, 63)),
        ((60, 33), (128, 64), (16, 32.254), (15.5, 31.5)),
    ],
)
def test_points_lie_where_they_were_worked_out_by_hand(image, input_size, image_point, map_pixel):
    alignment = align(image, 64, rule="udp")
    rows, columns = input_size
    maps = alignment.with_map_size((rows // 2, columns // 2))

    assert alignment.input_size == input_size
    # maps count from the corner of their first pixel: a pixel's centre is at + 0.5
    at = point(*map_pixel) + 0.5
    np.testing.assert_allclose(maps.to_image(at), point(*image_point), atol=2e-3)
    np.testing.assert_allclose(maps.to_map(point(*image_point)), at, atol=2e-3)


def test_pixels_of_the_input_are_those_of_the_image_where_zoom_is_1():
    image = np.random.default_rng(0).integers(0, 255, (64, 127, 3), np.uint8)

    laid = align((64, 127), 64, rule="udp").warp(image)

    np.testing.assert_array_equal(laid[:, :127], image)
    assert not laid[:, 127].any()


def test_a_mirrored_image_gives_mirrored_points():
    alignment = align((64, 128), 64, rule="udp").with_map_size((32, 64))
    there = alignment.to_map(point(30, 20))
    mirrored = alignment.to_map(point(127 - 30, 20))

    np.testing.assert_allclose(mirrored[0], [64 - there[0, 0], there[0, 1]], atol=1e-4)


@pytest.mark.parametrize("image", [(480, 640), (640, 427), (1, 1)])
def test_inputs_of_all_scales_cover_the_same_of_the_image(image):
    alignments = [
        align(image, 128, scale=scale, min_scale=0.5, rule="udp") for scale in (0.5, 1.0, 2.0)
    ]
    corners = []
    for each in alignments:
        rows, columns = each.input_size
        assert (rows, columns) == align(image, 128, scale=rows / 128, min_scale=0.5).input_size or (
            min(rows, columns) in (64, 128, 256)
        )
        corners.append(each.to_image(point(columns - 0.5, rows - 0.5)))
        laid = each.matrix @ np.array([corners[-1][0, 0], corners[-1][0, 1], 1])
        np.testing.assert_allclose(laid, [columns - 1, rows - 1], atol=0.01)
    np.testing.assert_allclose(corners[0], corners[1], rtol=1e-4)
    np.testing.assert_allclose(corners[0], corners[2], rtol=1e-4)


def test_outputs_of_both_resolutions_lie_on_each_other_by_their_outer_pixels():
    coarse, fine = torch.rand(1, 34, 8, 12), torch.rand(1, 17, 16, 24)

    heatmaps, tags = merge_resolutions([coarse, fine], UDP)

    enlarged = functional.interpolate(coarse, (16, 24), mode="bilinear", align_corners=True)
    torch.testing.assert_close(heatmaps, (enlarged[:, :17] + fine) / 2)
    torch.testing.assert_close(tags, enlarged[:, 17:])
    torch.testing.assert_close(tags[:, :, -1, -1], coarse[:, 17:, -1, -1])


def test_maps_are_resized_as_torch_does_it():
    plane = np.random.default_rng(0).random((9, 14)).astype(np.float32)

    found = _weights(9, 30) @ plane @ _weights(14, 20).T

    expected = functional.interpolate(
        torch.from_numpy(plane)[None, None], (30, 20), mode="bilinear", align_corners=True
    )
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-6)


@pytest.mark.parametrize("map_stride", [1, 2])
def test_the_graph_computes_what_the_evaluation_does(network, map_stride):
    image = np.random.default_rng(0).integers(0, 255, (128, 192, 3), np.uint8)
    reference = infer_maps(network, image, input_size=128, map_stride=map_stride)

    with torch.inference_mode():
        found = PoseGraph(network, map_stride)(torch.from_numpy(image)[None])

    assert reference.alignment.rule == "udp"
    assert_near(found.heatmaps[0].numpy(), reference.heatmaps)


@pytest.mark.parametrize("options", [{}, {"flip": True, "scales": (1.0, 2.0)}])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_an_exported_model_gives_the_maps_of_the_evaluation(network, exported, runtime, options):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    image = np.random.default_rng(1).integers(0, 255, (100, 150, 3), np.uint8)
    reference = infer_maps(network, image, 128, **options)

    with open_estimator(
        exported, runtime=runtime, precision="fp32", input_size=128, **options
    ) as estimator:
        assert estimator.alignment == "udp"
        maps = estimator.result(estimator.submit(image))
        assert_near(maps.heatmaps, reference.heatmaps)
        assert_near(maps.tags, reference.tags)
        assert maps.alignment == reference.alignment
        maps.release()


def test_only_the_presets_that_were_trained_so_have_it():
    assert load_model_config("w48_512_udp").alignment == "udp"
    assert load_model_config("w48_512").alignment == "centre"
