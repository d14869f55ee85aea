"""What was found in a map is moved to the image without a change to anything else."""

from __future__ import annotations

import numpy as np
import pytest

from engine import align
from grouping import People


def test_people_are_moved_to_the_image_with_their_scores_and_tags() -> None:
    alignment = align((480, 640), 256).with_map_size((128, 192))
    keypoints = np.random.default_rng(0).uniform(0, 100, (3, 17, 3)).astype(np.float32)
    people = People(keypoints, np.ones(3, np.float32), np.zeros((3, 2), np.float32))
    moved = people.to_image(alignment)
    np.testing.assert_array_equal(moved.keypoints, alignment.to_image(keypoints))
    np.testing.assert_array_equal(moved.keypoints[..., 2], keypoints[..., 2])
    assert moved.scores is people.scores
    assert moved.tags is people.tags
    np.testing.assert_allclose(
        alignment.to_map(moved.keypoints)[..., :2], keypoints[..., :2], atol=1e-3
    )


def test_people_become_key_points_of_supervision() -> None:
    supervision = pytest.importorskip("supervision")
    keypoints = np.array([[[10, 20, 0.9], [7, 7, 0]], [[30, 40, 0.5], [50, 60, 0.6]]], np.float32)
    people = People(
        keypoints,
        np.array([0.45, 0.55], np.float32),
        np.zeros((2, 1), np.float32),
        np.array([4, -1]),
    )
    found = people.to_supervision()
    assert isinstance(found, supervision.KeyPoints) and len(found) == 2
    assert found.xy.tolist() == [[[10, 20], [0, 0]], [[30, 40], [50, 60]]]
    assert found.keypoint_confidence is not None and found.visible is not None
    assert np.array_equal(found.keypoint_confidence, keypoints[:, :, 2])
    assert found.visible.tolist() == [[True, False], [True, True]]
    assert found.data["tracker_id"].tolist() == [4, -1]
    nobody = people.only(np.zeros(2, bool)).to_supervision()
    assert len(nobody) == 0
