"""Somebody who was found twice is left out once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from configs.grouping import GroupingConfig
from grouping import Grouper
from grouping.suppression import find_duplicates


def keep(keypoints: NDArray[np.float32], scores: list[float], distance_px: float) -> list[bool]:
    kept = np.empty(len(keypoints), np.bool_)
    find_duplicates(keypoints, np.array(scores, np.float32), distance_px, kept)
    return kept.tolist()


def people_at(*places: float) -> NDArray[np.float32]:
    """People whose three joints are all at that x."""
    keypoints = np.ones((len(places), 3, 3), np.float32)
    keypoints[..., 0] = np.array(places)[:, None]
    return keypoints


def test_the_weaker_of_two_near_people_goes() -> None:
    assert keep(people_at(10, 12, 40), [0.5, 0.9, 0.2], 3) == [False, True, True]
    assert keep(people_at(10, 12, 40), [0.9, 0.5, 0.2], 3) == [True, False, True]
    assert keep(people_at(10, 12, 40), [0.5, 0.5, 0.5], 3) == [True, False, True]
    assert keep(people_at(10, 13), [0.5, 0.9], 3) == [True, True]


def test_nobody_goes_because_of_somebody_who_went() -> None:
    assert keep(people_at(10, 12, 14), [0.9, 0.8, 0.7], 3) == [True, False, True]


def test_people_without_a_joint_in_common_are_different_people() -> None:
    keypoints = people_at(10, 10)
    keypoints[0, 1:, 2] = 0
    keypoints[1, 0, 2] = 0
    assert keep(keypoints, [0.9, 0.8], 3) == [True, True]


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 12))
@settings(deadline=None, max_examples=50)
def test_those_who_stay_are_apart_and_those_who_go_are_near_a_stronger_one(
    seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 8, (count, 3, 3)).astype(np.float32)
    keypoints[..., 2] = 1
    scores = rng.permutation(count).tolist()
    kept = keep(keypoints, scores, 3)

    def near(one: int, other: int) -> bool:
        return bool(np.hypot(*(keypoints[one, :, :2] - keypoints[other, :, :2]).T).mean() < 3)

    for person in range(count):
        stronger = [
            other for other in range(count) if scores[other] > scores[person] and kept[other]
        ]
        assert kept[person] != any(near(person, other) for other in stronger)


def test_a_ghost_that_borrows_the_joints_of_a_person_goes() -> None:
    """A stray peak near one joint, with a tag beyond the threshold: it fills all other joints from
    the person it stands on.
    """
    heatmaps, tags = np.zeros((17, 64, 64), np.float32), np.zeros((17, 64, 64, 1), np.float32)
    heatmaps[np.arange(17), 30, 10 + np.arange(17) * 2] = 0.9
    heatmaps[0, 33, 12] = 0.3
    tags[0, 33, 12] = 1.2
    everybody = Grouper(mode="tuned")(heatmaps, tags)
    assert len(everybody) == 2
    people = Grouper(mode="tuned", config=GroupingConfig(duplicate_distance_px=3))(heatmaps, tags)
    np.testing.assert_array_equal(people.keypoints, everybody.keypoints[:1])
