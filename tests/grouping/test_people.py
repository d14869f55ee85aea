"""What was found in a map is moved to the image without a change to anything else."""

from __future__ import annotations

import numpy as np

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
