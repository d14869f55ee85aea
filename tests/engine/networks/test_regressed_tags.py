"""Tags from where people are seen, at one size of the image or at two."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.networks.regressed_tags import Head, RegressedPeople, RegressedTags, merge_looks

UNIT_PX = 4.0  # one map pixel, so that tags are lengths of the map


class Fixed(nn.Module):
    """A head that answers with the same map whatever it is asked."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, features: Tensor) -> Tensor:
        return self.answer

    def at(self, features: Tensor, row: Tensor, column: Tensor) -> Tensor:
        flat = self.answer.flatten(2)
        index = row * self.answer.shape[-1] + column
        return flat.gather(2, index[:, None].expand(-1, flat.shape[1], -1))


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


def test_a_head_gives_at_some_pixels_what_it_gives_everywhere() -> None:
    torch.manual_seed(0)
    head = Head(5, outputs=3)
    features = torch.randn(2, 5, 7, 9)
    row = torch.tensor([[0, 6, 3], [6, 0, 2]])  # corners and borders too
    column = torch.tensor([[0, 8, 5], [0, 4, 8]])

    everywhere = head(features)
    for image in range(2):
        expected = everywhere[image][:, row[image], column[image]]
        torch.testing.assert_close(head.at(features, row, column)[image], expected)


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


def people(*each: tuple[float, tuple[float, float], float]) -> RegressedPeople:
    """20 people with one joint, of which the first are given as score, centre (x, y) and size; the
    joint lies a tenth of the size to the right of the centre.
    """
    padded = [*each, *[(0.0, (0.0, 0.0), 1.0)] * (20 - len(each))]
    score, centre, size = (torch.tensor(values) for values in zip(*padded, strict=True))
    x, y = centre[None].unbind(-1)
    return RegressedPeople(
        score=score[None],
        somebody=(score > 0.1).float()[None],
        x=x,
        y=y,
        joint_x=(x + 0.1 * size)[:, None],
        joint_y=y[:, None],
        area=size[None] ** 2,
        coarse=torch.zeros(1, 20),
        reach=(1 + size / 100)[None, None],
    )


def test_a_joint_that_is_known_exactly_has_fewer_pixels() -> None:
    cells = RegressedTags(24, joints=1, unit_px=UNIT_PX).cells
    pair = people((0.9, (8, 12), 8.0), (0.9, (24, 12), 8.0))
    sharp = pair._replace(reach=torch.ones(1, 1, 20))
    sharp.reach[..., 0] = 0.25

    even, uneven = (cells(each, (24, 32)) for each in (pair, sharp))

    assert uneven.closeness[0, 0, 12, 9] > 0.6
    assert uneven.closeness[0, 0, 18, 9] < 0.3 * even.closeness[0, 0, 18, 9]
    # Half as far: the boundary moves from the middle towards the joint.
    assert even.tags[0, 0, 12, 14] == pytest.approx(8.5 + 0.2 * (14 - 8.8), abs=0.1)
    assert uneven.tags[0, 0, 12, 16] == pytest.approx(24.5 + 0.2 * (16 - 24.8), abs=0.1)


def test_small_people_are_taken_from_full_size_and_large_ones_from_half_of_it() -> None:
    full = people((0.9, (20, 20), 8.0), (0.9, (90, 60), 160.0))
    half = people((0.9, (44.75, 29.75), 80.0), (0.9, (9.75, 9.75), 4.0))

    merged = merge_looks(full, half)

    somebody = merged.somebody[0] > 0
    assert int(somebody.sum()) == 2
    assert merged.x[0, :2].tolist() == pytest.approx([20, 90])
    assert merged.y[0, :2].tolist() == pytest.approx([20, 60])
    assert merged.joint_x[0, 0, :2].tolist() == pytest.approx([20.8, 106])
    assert merged.area[0, :2].tolist() == pytest.approx([64, 160**2])
    assert merged.reach[0, 0, :2].tolist() == pytest.approx([1.08, 1.8])
    small, large = merged.coarse[0, :2].tolist()
    assert small < 0.1
    assert large > 0.9


def test_who_suits_both_looks_is_taken_from_the_surer_one() -> None:
    for scores, x in (((0.9, 0.5), 40), ((0.5, 0.9), 60.5)):
        full, half = people((scores[0], (40, 40), 38.0)), people((scores[1], (30, 20), 19.0))
        merged = merge_looks(full, half)
        assert merged.x[0, 0].item() == pytest.approx(x)
        assert merged.coarse[0, 0].item() == pytest.approx(0.5)
        assert merged.score[0, 0].item() == pytest.approx(0.9)


def test_of_the_people_of_two_looks_the_surest_are_kept_surest_first() -> None:
    crowd = [(0.5 + 0.01 * index, (4.0 * index, 8.0), 8.0) for index in range(20)]
    full, half = people(*crowd), people((0.99, (40, 40), 80.0))

    merged = merge_looks(full, half)

    assert merged.x[0, 0].item() == pytest.approx(80.5)
    assert merged.x[0, 1:].tolist() == pytest.approx([4.0 * index for index in range(19, 0, -1)])


def test_where_nobody_is_there_is_nobody_in_two_looks() -> None:
    merged = merge_looks(people((0.04, (20, 20), 8.0)), people((0.03, (20, 20), 80.0)))

    assert not merged.somebody.any()


def test_pixels_of_a_person_of_the_look_at_half_size_are_its_own() -> None:
    tags = RegressedTags(24, joints=1, unit_px=UNIT_PX)
    merged = merge_looks(people((0.9, (6, 12), 6.0)), people((0.9, (20, 6), 50.0)))

    maps = tags.cells(merged, (24, 64))

    assert maps.coarse[0, 0, 12, 6] < 0.1
    assert maps.coarse[0, 0, 12, 50] > 0.8
    # half's centre is at 40.5 and 12.5 of the map, its joint 10 to the right
    assert maps.tags[0, :, 12, 50].tolist() == pytest.approx([41 + 0.2 * -0.5, 13 - 0.1], abs=0.01)
