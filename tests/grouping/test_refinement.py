"""Missing joints are found where a scan of the whole map, person after person, finds them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from configs.grouping import GroupingConfig
from grouping import Grouper
from tests.grouping.support import assert_same_people, pick
from tests.support import reference_decoder
from tests.support.pose_maps import draw_maps

Maps = tuple[NDArray[np.float32], NDArray[np.float32]]


def check(grouper: Grouper, heatmaps: NDArray[np.float32], tags: NDArray[np.float32]) -> None:
    """Adjustment and refinement against the plain decoder, from the same matched people."""
    frame = grouper.prepare(heatmaps, tags)
    grouper.find_candidates(frame)
    people = grouper.match(frame)
    grouped = people.keypoints.copy()
    grouper.adjust(frame, people)
    adjusted = reference_decoder.adjust(heatmaps, grouped)
    np.testing.assert_array_equal(people.keypoints, adjusted)
    grouper.refine(frame, people, tiles_measured=True)
    np.testing.assert_array_equal(
        people.keypoints, reference_decoder.refine(heatmaps, tags, adjusted)
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(13, 60), st.integers(13, 100)),
    tag_length=st.integers(1, 4),
    levels=st.sampled_from([1, 2, 8, 0]),
    spread=st.sampled_from([0.0, 0.3, 3.0]),
)
@settings(deadline=None, max_examples=60)
def test_ties_and_noise_in_maps_of_any_size(
    grouper: Grouper, seed: int, size: tuple[int, int], tag_length: int, levels: int, spread: float
) -> None:
    """Few levels make most pixels tie, for the heatmap value as for the tag; then the first in
    row-major order decides.
    """
    rng = np.random.default_rng(seed)
    heatmaps, tags = draw_maps(
        rng, int(rng.integers(1, 6)), *size, tag_length=tag_length, stray=int(rng.integers(0, 3))
    )
    tags = tags + rng.normal(0, spread, tags.shape).astype(np.float32)
    if levels:
        heatmaps = np.round(heatmaps * (4 * levels)) / np.float32(4 * levels) - np.float32(
            rng.choice([0, 0.125])
        )
        tags = np.round(tags * levels) / np.float32(levels)
    check(grouper, heatmaps, tags)


@pytest.mark.parametrize("tag_length", [1, 2])
def test_smooth_maps_as_networks_make_them(grouper: Grouper, tag_length: int) -> None:
    """Background that is nearest to somebody's tag somewhere, weak peaks below the threshold,
    negative heatmap values.
    """
    rng = np.random.default_rng(tag_length)
    for _ in range(5):
        heatmaps, tags = draw_maps(rng, 4, 96, 128, tag_length=tag_length)
        y, x = np.mgrid[:96, :128]
        for dimension in range(tag_length):
            tags[..., dimension] += (3 * np.sin(x / 40 + dimension) * np.cos(y / 30)).astype(
                np.float32
            )
        heatmaps -= (0.02 * np.sin(x / 17) ** 2).astype(np.float32)
        check(grouper, heatmaps, tags)


def layouts(tags: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The same tags (J, h, w, L) in memory in other ways."""
    joints, height, width, _ = tags.shape
    wide = np.zeros((joints, height, width * 2, 5), np.float32)
    wide[:, :, ::2, 1:3] = tags
    read_only = tags.copy()
    read_only.flags.writeable = False
    raw = np.zeros(tags.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(tags.shape)
    raw[:] = tags
    return {
        "interleaved": np.ascontiguousarray(tags),
        "planes per joint": np.ascontiguousarray(tags.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
        "a map per pass": np.ascontiguousarray(tags.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0),
        "part of something": wide[:, :, ::2, 1:3],
        "mirrored": np.ascontiguousarray(tags[:, :, ::-1])[:, :, ::-1],
        "repeated": np.broadcast_to(tags[:, :1, :1], tags.shape),
        "read-only": read_only,
        "not aligned": raw,
    }


@pytest.mark.parametrize("layout", [*layouts(np.zeros((1, 1, 1, 2), np.float32))])
def test_the_layout_of_the_tags_does_not_matter(grouper: Grouper, layout: str) -> None:
    heatmaps, tags = draw_maps(np.random.default_rng(8), 5, 64, 96, tag_length=2, stray=1)
    view = layouts(tags)[layout]
    same = np.ascontiguousarray(view)
    assert_same_people(grouper(heatmaps, view), grouper(heatmaps, same))
    assert_same_people(grouper(heatmaps, view, pick(heatmaps, same)), grouper(heatmaps, same))


def test_nobody_fills_a_joint_where_the_heatmap_is_not_above_zero(grouper: Grouper) -> None:
    heatmaps = np.zeros((17, 32, 32), np.float32)
    heatmaps[0, 10, 10] = 1
    heatmaps[1, 20, 20] = 0.05  # below the detection threshold, but all there is
    heatmaps[2] = -0.5
    people = grouper(heatmaps, np.zeros((17, 32, 32, 1), np.float32))
    assert people.keypoints[0, :, 2].nonzero()[0].tolist() == [0, 1]
    assert people.keypoints[0, 1].tolist() == pytest.approx([20.25, 20.25, 0.05])
    assert people.scores.tolist() == pytest.approx([1 / 17])  # taken before joints are filled


def test_a_floor_leaves_out_weak_filled_joints_and_nothing_else() -> None:
    heatmaps, tags = draw_maps(np.random.default_rng(5), 5, 64, 96, stray=1)
    without = Grouper(mode="tuned")(heatmaps, tags)
    people = Grouper(mode="tuned", config=GroupingConfig(refine_floor=0.05))(heatmaps, tags)
    weak = without.keypoints[..., 2] < 0.05
    assert weak.any() and (without.keypoints[..., 2] > 0)[weak].any()
    np.testing.assert_array_equal(people.keypoints[~weak], without.keypoints[~weak])
    assert (people.keypoints[..., 2][weak] == 0).all()
