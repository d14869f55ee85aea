"""`lite`: tags from where its backbone sees people, heatmaps that start as the backbone's own."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from configs import ConfigError, ModelConfig, load_model_config
from engine import load_network
from engine.networks.aggregation import merge_resolutions, sharpen
from engine.networks.regressed_tags import RegressedTags

UNIT_PX = 4.0  # one map pixel, so that tags are lengths of the map


class Fixed(nn.Module):
    """A head that answers with the same map whatever it is asked."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, features: Tensor) -> Tensor:
        return self.answer


def seen(*people: tuple[tuple[int, int], tuple[int, int], int]) -> tuple[Tensor, Tensor]:
    """Tags (2, 24, 32) and closeness (24, 32) of the one joint of people given as centre (x, y),
    joint (x, y) and side of the square box, in map pixels.
    """
    centre = torch.full((1, 1, 24, 32), -10.0)
    regression = torch.zeros(1, 2, 24, 32)
    box_size = torch.zeros(1, 2, 24, 32)
    for (x, y), (joint_x, joint_y), side in people:
        centre[0, 0, y, x] = 10
        regression[0, :, y, x] = torch.tensor([joint_y - y, joint_x - x])
        box_size[0, :, y, x] = side
    tags = RegressedTags(24, joints=1, unit_px=UNIT_PX)
    tags.centre, tags.regression, tags.box_size = (
        Fixed(answer) for answer in (centre, regression, box_size)
    )
    found, closeness = tags(torch.zeros(1, 24, 24, 32))
    return found[0], closeness[0, 0]


def test_at_its_joint_a_persons_tag_is_their_centre() -> None:
    tags, _ = seen(((8, 10), (6, 4), 8), ((24, 12), (26, 20), 8))

    assert tags[:, 4, 6].tolist() == pytest.approx([8.5, 10.5])
    assert tags[:, 20, 26].tolist() == pytest.approx([24.5, 12.5])


def test_away_from_the_joint_the_tag_moves_with_a_fifth_of_the_way() -> None:
    tags, _ = seen(((8, 10), (6, 4), 8))

    assert tags[:, 4, 9].tolist() == pytest.approx([8.5 + 0.6, 10.5])
    assert tags[:, 6, 6].tolist() == pytest.approx([8.5, 10.5 + 0.4])


def test_closeness_falls_with_the_distance_for_the_persons_size() -> None:
    _, small = seen(((8, 12), (8, 12), 8))
    _, large = seen(((8, 12), (8, 12), 24))

    assert small[12, 8] > 0.8
    assert small[12, 16] < 0.02  # the side of the box away
    assert large[12, 16] > 0.4  # a third of it
    assert (small.diff(dim=1)[12, 9:20] <= 0).all()


@pytest.mark.parametrize("sides, boundary", [((8, 8), 15), ((12, 4), 19)])
def test_a_pixel_belongs_to_the_person_whose_joint_is_nearest_for_their_size(
    sides: tuple[int, int], boundary: int
) -> None:
    left, right = sides
    tags, _ = seen(((7, 12), (7, 12), left), ((24, 12), (24, 12), right))

    # Tags change from one centre to the other over the two pixels of a cell at stride 8.
    owner = (tags[0, 12] - 0.2 * torch.arange(32.0)) > 0.8 * 15.5 + 0.5
    assert not owner[: boundary - 1].any()
    assert owner[boundary + 2 :].all()


def test_of_two_equally_near_people_a_pixel_belongs_to_the_surer_one() -> None:
    tags = RegressedTags(24, joints=1, unit_px=UNIT_PX)
    centre = torch.full((1, 1, 24, 32), -10.0)
    centre[0, 0, 12, 8], centre[0, 0, 12, 24] = 5.0, -2.0  # 0.99 and 0.12
    tags.centre, tags.box_size = Fixed(centre), Fixed(torch.full((1, 2, 24, 32), 24.0))
    tags.regression = Fixed(torch.zeros(1, 2, 24, 32))

    (found,), _ = tags(torch.zeros(1, 24, 24, 32))

    assert found[0, 12, 16] == pytest.approx(8.5 + 0.2 * 8)  # between 8 and 24


def test_two_centres_with_the_same_joint_are_one_person_where_the_surer_one_is() -> None:
    tags = RegressedTags(24, joints=1, unit_px=UNIT_PX)
    centre = torch.full((1, 1, 24, 32), -10.0)
    centre[0, 0, 12, 8], centre[0, 0, 12, 16] = 3.0, 5.0  # both send their joint to x = 12
    regression = torch.zeros(1, 2, 24, 32)
    regression[0, 1, 12, 8], regression[0, 1, 12, 16] = 4.0, -4.0
    tags.centre, tags.regression = Fixed(centre), Fixed(regression)
    tags.box_size = Fixed(torch.full((1, 2, 24, 32), 24.0))

    (found,), _ = tags(torch.zeros(1, 24, 24, 32))

    within = range(1, 31)  # at the edges the enlargement repeats
    expected = [16.5 + 0.2 * (x - 12) for x in within]
    assert found[0, 12, 1:-1].tolist() == pytest.approx(expected)


def test_two_centres_whose_joints_are_apart_for_their_size_are_two_people() -> None:
    tags, _ = seen(((8, 10), (8, 10), 8), ((14, 10), (14, 10), 8))

    assert tags[0, 10, 8] == pytest.approx(8.5)
    assert tags[0, 10, 14] == pytest.approx(14.5)


def test_a_centre_below_the_threshold_is_nobody() -> None:
    tags = RegressedTags(24, joints=1, unit_px=UNIT_PX)
    centre = torch.full((1, 1, 24, 32), -10.0)
    centre[0, 0, 12, 8], centre[0, 0, 12, 24] = 3.0, -2.5  # 0.95 and 0.08
    tags.centre, tags.box_size = Fixed(centre), Fixed(torch.full((1, 2, 24, 32), 8.0))
    tags.regression = Fixed(torch.zeros(1, 2, 24, 32))

    (found,), (closeness,) = tags(torch.zeros(1, 24, 24, 32))

    assert found[:, 12, 24].tolist() == pytest.approx([8.5 + 0.2 * 16, 12.5])
    assert closeness[0, 12, 24] < 1e-6


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return load_network("lite").eval()


def test_images_of_a_batch_do_not_meet(network: nn.Module) -> None:
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        together, apart = network(images), [network(image[None]) for image in images]
    for level, output in enumerate(together):
        for number, alone in enumerate(apart):
            torch.testing.assert_close(output[number], alone[level][0], rtol=1e-4, atol=1e-4)


def test_heatmaps_of_every_resolution_start_as_the_backbones_own() -> None:
    config = dataclasses.replace(
        load_model_config("lite"), tags="learned", deconvolutions=1, residual_blocks=1
    )
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
    config = dataclasses.replace(load_model_config("lite"), deconvolutions=1, residual_blocks=1)
    network, image = load_network(config).eval(), torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        pyramid = network.backbone(image)
        _, closeness = network.tags(pyramid.pyramid[0])
        coarse, fine = network(image)

    torch.testing.assert_close(coarse[:, :17], pyramid.logits.sigmoid() * closeness)
    assert fine.shape == (1, 17, 32, 48)


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
    ],
)
def test_what_no_network_has_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig(name="x", description="", **changes)  # type: ignore[arg-type]
