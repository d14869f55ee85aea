"""People that were found become rows that an evaluator reads."""

from __future__ import annotations

import json

import numpy as np

from keypoint_datasets import to_results


def test_a_missing_joint_is_zeros_and_does_not_stretch_the_box() -> None:
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, :, :2] = -500  # where an absent joint lies after mapping means nothing
    keypoints[0, 5] = 30, 40, 0.5
    keypoints[0, 6] = 50, 80, 0.25
    (result,) = to_results(keypoints, np.array([0.04], np.float32), 9, 1)
    assert result["bbox"] == [30.0, 40.0, 20.0, 40.0]
    assert result["keypoints"][:3] == [0.0, 0.0, 0.0]
    assert result["keypoints"][15:21] == [30.0, 40.0, 0.5, 50.0, 80.0, 0.25]
    assert (result["image_id"], result["category_id"], result["score"]) == (9, 1, 0.04)
    json.dumps(result, allow_nan=False)


def test_what_is_not_finite_does_not_reach_the_file() -> None:
    keypoints = np.full((2, 17, 3), 1.0, np.float32)
    keypoints[0, 3, 0], keypoints[0, 4, 2], keypoints[1] = np.nan, np.inf, np.nan
    first, second = to_results(keypoints, np.array([np.nan, np.inf], np.float32), 1)
    assert first["keypoints"][9:15] == [0.0] * 6
    assert (first["score"], second["score"]) == (0.0, 0.0)
    assert (first["bbox"], second["bbox"]) == ([1.0, 1.0, 0.0, 0.0], [0.0] * 4)
    json.dumps([first, second], allow_nan=False)


def test_scores_keep_their_order_to_the_last_bit_and_are_short() -> None:
    scores = np.array([0.3, np.nextafter(np.float32(0.3), np.float32(1)), 0.25], np.float32)
    results = to_results(np.zeros((3, 17, 3), np.float32), scores, 1)
    assert [np.float32(result["score"]) for result in results] == scores.tolist()
    assert json.dumps([result["score"] for result in results]) == "[0.3, 0.30000004, 0.25]"


def test_coordinates_are_hundredths_of_a_pixel() -> None:
    keypoints = np.full((1, 17, 3), 1.23456789, np.float32)
    keypoints[0, 0, 0] = 100.987654
    (result,) = to_results(keypoints, np.ones(1, np.float32), 1)
    assert result["keypoints"][:6] == [100.99, 1.23, 1.2346, 1.23, 1.23, 1.2346]
    assert result["bbox"] == [1.23, 1.23, 99.75, 0.0]


def test_nobody_is_no_result() -> None:
    assert to_results(np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32), 1) == []
