"""Whole-image inference equals the official evaluation's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from configs import ConfigError, load_keypoint_set
from engine import infer_maps, load_network
from engine.networks.aggregation import merge_resolutions, unflip
from tests.engine.golden import TINY, load_arrays


@pytest.mark.parametrize(
    "case, flip, scales", [(0, False, (1,)), (1, True, (1,)), (2, True, (0.5, 1, 2))]
)
def test_maps_and_poses_equal_those_of_the_official_code(
    case, flip, scales, golden_network, shared
):
    recorded = load_arrays(shared / "golden" / "network" / f"inference_{case}.npz")

    maps = infer_maps(
        golden_network("inference"), recorded["image_bgr"], input_size=128, scales=scales, flip=flip
    )

    np.testing.assert_allclose(
        maps.heatmaps, recorded["heatmaps"].astype(np.float32), rtol=0, atol=2e-3
    )
    np.testing.assert_allclose(maps.tags, recorded["tags"].astype(np.float32), rtol=0, atol=2e-3)
    poses = maps.alignment.to_image(recorded["grouped"][..., :3])
    np.testing.assert_allclose(poses, recorded["poses"][..., :3], rtol=0, atol=1e-3)
    maps.release()
    maps.release()


def test_a_network_in_training_is_left_in_training_with_its_statistics():
    network = load_network(TINY)
    before = network.bn1.running_mean.clone()

    infer_maps(network, np.full((64, 80, 3), 127, np.uint8), input_size=64)

    assert network.training
    assert torch.equal(network.bn1.running_mean, before)


def test_a_mirrored_image_has_mirrored_maps():
    torch.manual_seed(0)
    network = load_network(dataclasses.replace(TINY, tag_dimensions=2)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    flip_indices = list(load_keypoint_set("coco").flip_indices)

    maps = infer_maps(network, image, input_size=(64, 96), flip=True)
    mirrored = infer_maps(network, image[:, ::-1].copy(), input_size=(64, 96), flip=True)

    np.testing.assert_allclose(
        mirrored.heatmaps[flip_indices][:, :, ::-1], maps.heatmaps, atol=1e-4
    )
    swapped = mirrored.tags[flip_indices][:, :, ::-1][..., [2, 3, 0, 1]]
    np.testing.assert_allclose(swapped, maps.tags, atol=1e-4)


def test_unflip_keeps_the_dimensions_of_a_tag_together():
    maps = torch.arange(4.0).view(1, 4, 1, 1)
    assert unflip(maps, (1, 0), dimensions=2).flatten().tolist() == [2, 3, 0, 1]


def test_only_the_finest_heatmaps_are_used_where_the_config_says_so():
    coarse, fine = torch.zeros(1, 34, 2, 2), torch.ones(1, 17, 4, 4)

    mean, _ = merge_resolutions([coarse, fine], TINY)
    finest, tags = merge_resolutions(
        [coarse, fine], dataclasses.replace(TINY, aggregate_heatmaps=False)
    )

    assert (mean == 0.5).all()
    assert (finest == 1).all()
    assert tags.shape == (1, 17, 4, 4)


@pytest.mark.parametrize(
    "scales, message",
    [
        ((), "at least one"),
        ((0,), "0.1 to 4, not 0"),
        ((-1.0, 1.0), "0.1 to 4, not -1"),
        ((0.5, 2), "include 1"),
    ],
)
def test_scales_that_cannot_be_used_are_refused(scales, message):
    with pytest.raises(ConfigError, match=message):
        infer_maps(
            load_network(TINY), np.zeros((64, 64, 3), np.uint8), input_size=64, scales=scales
        )
