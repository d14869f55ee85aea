"""The deployable graph computes what the network and the official aggregation compute, and picks
the right peaks.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from configs import ConfigError
from engine import infer_maps, load_network
from engine.maps import MAX_CANDIDATES
from engine.onnx.graph import PoseGraph, pick_candidates
from tests.engine.golden import SMALL_LITE, TINY, VARIANTS, randomised


@pytest.mark.parametrize("variant", VARIANTS)
def test_at_stride_1_it_gives_the_maps_of_the_official_evaluation(variant, golden_network):
    network = golden_network(variant)
    image = np.random.default_rng(0).integers(0, 255, (128, 192, 3), np.uint8)
    reference = infer_maps(network, image, input_size=128)

    with torch.inference_mode():
        found = PoseGraph(network, map_stride=1)(torch.from_numpy(image)[None])

    np.testing.assert_allclose(found.heatmaps[0].numpy(), reference.heatmaps, atol=2e-4)
    np.testing.assert_allclose(found.tags[0].permute(0, 2, 3, 1).numpy(), reference.tags, atol=2e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_at_stride_2_maps_have_half_the_size_of_the_input(variant, golden_network):
    network = golden_network(variant)

    with torch.inference_mode():
        found = PoseGraph(network)(torch.zeros(3, 96, 64, 3, dtype=torch.uint8))

    joints = PoseGraph(network).joints
    assert found.heatmaps.shape == (3, joints, 48, 32)
    assert found.tags.shape == (3, joints, 1, 48, 32)
    assert found.x.shape == found.y.shape == found.score.shape == (3, joints, MAX_CANDIDATES)
    assert found.tag.shape == (3, joints, MAX_CANDIDATES, 1)
    assert found.x.dtype == torch.int32


def test_candidates_are_the_highest_5x5_maxima_with_their_tags():
    generator = np.random.default_rng(3)
    heatmaps = generator.random((1, 3, 40, 56)).astype(np.float32)
    tags = generator.standard_normal((1, 3, 2, 40, 56)).astype(np.float32)

    x, y, score, tag = (
        output.numpy()[0]
        for output in pick_candidates(torch.from_numpy(heatmaps), torch.from_numpy(tags))
    )

    for joint in range(3):
        heatmap = heatmaps[0, joint]
        largest = cv2.dilate(
            heatmap, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=-np.inf
        )
        rows, columns = np.nonzero(heatmap == largest)
        order = np.argsort(-heatmap[rows, columns])[:MAX_CANDIDATES]
        np.testing.assert_array_equal(y[joint], rows[order])
        np.testing.assert_array_equal(x[joint], columns[order])
        np.testing.assert_array_equal(score[joint], heatmap[rows[order], columns[order]])
        np.testing.assert_array_equal(tag[joint], tags[0, joint][:, rows[order], columns[order]].T)


def test_images_of_a_batch_do_not_touch_each_other():
    graph = PoseGraph(randomised(load_network(SMALL_LITE)))
    images = torch.randint(0, 255, (3, 64, 96, 3), dtype=torch.uint8)

    with torch.inference_mode():
        together, alone = graph(images), graph(images[1:2])

    for batch, single in zip(together[:2] + together[4:5], alone[:2] + alone[4:5], strict=True):
        torch.testing.assert_close(
            batch[1:2], single, rtol=1e-4, atol=1e-5 * float(single.abs().max())
        )


def test_other_strides_are_refused():
    with pytest.raises(ConfigError, match="map_stride must be 1 or 2, not 4"):
        PoseGraph(load_network(TINY), map_stride=4)
