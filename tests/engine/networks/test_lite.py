"""`lite` and `base`: heatmaps that start as the backbone's own, images that are looked at twice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import nn

import basics
from configs import ConfigError, GroupingConfig, ModelConfig, load_keypoint_set, load_model_config
from engine import load_network
from engine.model_source import PACKAGED_WEIGHTS, load_weights
from engine.networks.aggregation import merge_resolutions, sharpen
from engine.networks.inference import infer_maps
from engine.networks.lite import halve
from evaluation.metrics.truth import read_truth
from grouping import Grouper

DATA = Path(basics.__file__).parent / "data"


@pytest.mark.parametrize("name", ["lite", "base"])
def test_images_of_a_batch_do_not_meet(name: str) -> None:
    torch.manual_seed(0)
    network = load_network(name).eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        together, apart = network(images), [network(image[None]) for image in images]
    for level, output in enumerate(together):
        for number, alone in enumerate(apart):
            torch.testing.assert_close(output[number], alone[level][0], rtol=1e-4, atol=1e-4)


def test_heatmaps_of_every_resolution_start_as_the_backbones_own() -> None:
    config = dataclasses.replace(load_model_config("lite"), tags="learned", corrected_joints=False)
    learned, image = load_network(config).eval(), torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        own = learned.backbone(image).logits.sigmoid()
        coarse, fine = learned(image)

    torch.testing.assert_close(coarse[:, :17], own)
    # away from the border, where the transposed convolution reads beyond the map
    enlarged = nn.functional.interpolate(own, scale_factor=2.0, mode="bilinear")
    inner = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(fine[inner], enlarged[inner], rtol=1e-4, atol=1e-4)


def test_regressed_closeness_lowers_the_heatmaps_of_every_resolution() -> None:
    config = dataclasses.replace(load_model_config("lite"), corrected_joints=False)
    network, image = load_network(config).eval(), torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        pyramid = network.backbone(image)
        _, closeness = network.tags(pyramid.pyramid[0])
        coarse, fine = network(image)

    torch.testing.assert_close(coarse[:, :17], pyramid.logits.sigmoid() * closeness)
    assert fine.shape == (1, 17, 32, 48)


@pytest.mark.parametrize(
    "size, half", [((64, 96), (32, 64)), ((128, 64), (64, 32)), ((32, 352), (32, 192))]
)
def test_half_an_image_has_sides_for_the_network_and_black_beyond_it(
    size: tuple[int, int], half: tuple[int, int]
) -> None:
    image = torch.rand(1, 3, *size)
    found = halve(image)

    rows, columns = size[0] // 2, size[1] // 2
    assert found.shape[2:] == half
    expected = image.reshape(1, 3, rows, 2, columns, 2).mean(dim=(3, 5))
    torch.testing.assert_close(found[..., :rows, :columns], expected)
    assert (found[..., rows:, :] == -1).all()
    assert (found[..., :, columns:] == -1).all()


def test_someone_who_fills_a_large_input_is_seen_by_base_alone() -> None:
    keypoint_set = load_keypoint_set("coco")
    (man,) = read_truth(DATA / "plaza_truth.json.gz", keypoint_set)[0].keypoints[2:3]
    with av.open(DATA / "plaza.mp4") as clip:
        picture = next(clip.decode(video=0)).to_ndarray(format="bgr24")
    top, left = 150, 340
    around_him = np.ascontiguousarray(picture[top:352, left:500])  # 180 of its 202 rows are his
    grouper = Grouper("coco", "tuned", GroupingConfig(adjustment="newton"))
    apart_px, scores = {}, {}
    for name in ("lite", "base"):
        network = load_weights(load_model_config(name), PACKAGED_WEIGHTS / "lite.onnx")
        maps = infer_maps(network, around_him, 512, map_stride=2)
        people = grouper(maps.heatmaps, maps.tags)
        found = maps.alignment.to_image(people.keypoints)[0, :, :2] + (left, top)
        apart_px[name] = float(np.median(np.hypot(*(found - man[:, :2]).T)))
        scores[name] = float(people.scores[0])

    assert scores["base"] > 1.5 * scores["lite"]
    assert apart_px["base"] < min(4, apart_px["lite"])


def test_a_power_lowers_doubtful_peaks_more_than_sure_ones() -> None:
    maps = torch.tensor([-0.1, 0.0, 0.2, 1.0])
    assert sharpen(maps, 1) is maps
    assert sharpen(maps, 2).tolist() == pytest.approx([0, 0, 0.04, 1])
    assert sharpen(maps, 1.5).tolist() == pytest.approx([0, 0, 0.2**1.5, 1])
    assert sharpen(maps, 1.7).tolist() == pytest.approx([0, 0, 0.2**1.7, 1])


def test_merged_heatmaps_are_sharpened_after_the_mean() -> None:
    config = dataclasses.replace(load_model_config("w32_512"), heatmap_exponent=2.0)
    outputs = [torch.full((1, 34, 8, 8), 0.2), torch.full((1, 17, 16, 16), 0.6)]
    heatmaps, _ = merge_resolutions(outputs, config)
    assert heatmaps.unique().tolist() == pytest.approx([0.16])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"tags": "regressed"}, "tags: regressed needs backbone: mobilenet_v2"),
        ({"heatmap_exponent": 0.0}, "heatmap_exponent must be between"),
        ({"looks": 2}, "looks: 2 needs tags: regressed"),
        ({"looks": 3}, "looks must be between 1 and 2"),
    ],
)
def test_what_no_network_has_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig(name="x", description="", **changes)  # type: ignore[arg-type]
