"""Groups are a dictionary under the first component of a tag, with all that follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from grouping.assignment import Assignment
from grouping.candidates import CandidateBuffer
from grouping.matching import Groups, _mean, collect_people, match_by_tag
from tests.support import reference_decoder

ORDER = tuple(range(17))


def group(
    candidates: NDArray[np.float32], order: tuple[int, ...] = ORDER, *, reweight: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """People (P, J, 3), their scores and tags, from candidates (J, K, 3+L)."""
    joints, capacity, columns = candidates.shape
    buffer = CandidateBuffer.allocate(joints, capacity, columns - 3)
    buffer.x[:], buffer.y[:], buffer.score[:] = np.moveaxis(candidates[..., :3], 2, 0)
    buffer.tag[:] = candidates[..., 3:]
    buffer.counts[:] = (candidates[..., 2] > 0.1).sum(axis=1)
    groups, scratch = Groups.allocate(joints, capacity, columns - 3), Assignment.allocate(capacity)
    count = match_by_tag(buffer, np.array(order), 1.0, reweight, groups, scratch)
    people = np.full((count, joints, 3), np.nan, np.float32)
    scores, tags = np.empty(count, np.float32), np.empty((count, columns - 3), np.float32)
    collect_people(buffer, groups, people, scores, tags)
    return people, scores, tags


def draw_candidates(
    rng: np.random.Generator, joints: int, capacity: int, tag_length: int, *, step: float
) -> NDArray[np.float32]:
    """Candidates in falling order, as many per joint as it happens; tags in steps, so that keys
    collide where it is large.
    """
    candidates = np.zeros((joints, capacity, 3 + tag_length), np.float32)
    candidates[..., :2] = rng.integers(0, 64, (joints, capacity, 2))
    candidates[..., 2] = -np.sort(-rng.uniform(0.11, 1, (joints, capacity)))
    candidates[..., 3:] = np.round(rng.normal(0, 2, (joints, capacity, tag_length)) / step) * step
    candidates[np.arange(capacity) >= rng.integers(0, capacity + 1, joints)[:, None]] = 0
    return candidates


@pytest.mark.parametrize("tag_length", [1, 2, 3, 4])
@pytest.mark.parametrize("step", [1e-4, 0.25, 1.0])
@pytest.mark.parametrize("capacity", [2, 6, 12])
def test_groups_are_those_of_the_official_parser(
    munkres: None, capacity: int, step: float, tag_length: int
) -> None:
    rng = np.random.default_rng((capacity, tag_length, int(step * 1e4)))
    for _ in range(40):
        candidates = draw_candidates(rng, 17, capacity, tag_length, step=step)
        expected = reference_decoder.match(candidates, ORDER)
        people, scores, _ = group(candidates)
        np.testing.assert_array_equal(people, expected[..., :3])
        np.testing.assert_array_equal(scores, [person[:, 2].mean() for person in expected])


@given(values=arrays(np.float32, st.integers(1, 40), elements=st.floats(-100, 100, width=32)))
@settings(deadline=None)
def test_means_are_rounded_like_numpy_rounds_them(values: NDArray[np.float32]) -> None:
    """Along a contiguous axis (one tag dimension) NumPy adds in another order than elsewhere."""
    assert _mean(values, len(values), True) == np.mean(list(values[:, None]), axis=0)[0]
    assert (
        _mean(values, len(values), False)
        == np.mean(list(np.stack((values, values), axis=1)), axis=0)[0]
    )


def candidate(x: int, score: float, tag: float) -> list[float]:
    return [x, 0, score, tag]


def test_a_tag_on_the_threshold_is_compared_with_the_mean_that_numpy_computes(
    munkres: None,
) -> None:
    """Nine tags whose mean depends on the order of adding, and a tenth that is within 1 of one of
    the means only.
    """
    cases = 0
    for seed in range(300):
        tags = np.random.default_rng(seed).normal(0, 0.1, 9).astype(np.float32)
        means = sorted([float(_mean(tags, 9, True)), float(_mean(tags, 9, False))])
        last = np.float32(means[0] + 1)
        if float(last) - means[0] < 1 or float(last) - means[1] >= 1:
            continue
        cases += 1
        candidates = np.array([[candidate(1, 0.9, tag)] for tag in (*tags, last)], np.float32)
        expected = reference_decoder.match(candidates, tuple(range(10)))
        np.testing.assert_array_equal(group(candidates, tuple(range(10)))[0], expected[..., :3])
    assert cases > 0


def test_equal_keys_collapse_and_the_later_candidate_stays() -> None:
    people, _, tags = group(
        np.array([[candidate(1, 0.9, 5), candidate(2, 0.8, 5)]], np.float32), (0,)
    )
    assert people[:, 0, 0].tolist() == [2]
    assert tags.tolist() == [[5]]


def test_a_key_that_comes_again_takes_over_the_group_and_resets_its_tags() -> None:
    empty = candidate(0, 0, 0)
    candidates = np.array(
        [
            [candidate(1, 0.9, 0.0), empty],
            [candidate(2, 0.9, 0.8), empty],  # joins: the mean becomes 0.4
            # The first joins (|0.9 - 0.4| < 1). The second is too far from everyone and opens a
            # group under key 0: the same.
            [candidate(3, 0.9, 0.9), candidate(4, 0.8, 0.0)],
            [candidate(5, 0.9, -0.9), empty],  # joins, because the mean is 0 again and not 0.4
        ],
        np.float32,
    )
    people, _, _ = group(candidates, (0, 1, 2, 3))
    assert people[:, :, 0].tolist() == [[1, 2, 4, 5]]


def test_only_the_first_groups_are_compared_with() -> None:
    candidates = np.array(
        [
            [candidate(1, 0.9, 0), candidate(2, 0.8, 10)],
            [candidate(3, 0.9, -20), candidate(4, 0.8, -30)],
            [
                candidate(5, 0.9, -20.2),
                candidate(6, 0.8, 10.2),
            ],  # -20 is the third group, beyond the window of two
        ],
        np.float32,
    )
    people, _, _ = group(candidates, (0, 1, 2))
    assert people[:, :, 0].tolist() == [[1, 0, 0], [2, 0, 6], [0, 3, 0], [0, 4, 0], [0, 0, 5]]


def test_reweighting_prefers_the_nearer_of_two_candidates_with_the_right_tag() -> None:
    far, near = [60, 0, 0.9, 0.4], [2, 0, 0.8, 0.45]
    candidates = np.array([[[0, 0, 0.9, 0], [0, 0, 0, 0]], [far, near]], np.float32)
    assert group(candidates, (0, 1))[0][0, 1, 0] == 60
    assert group(candidates, (0, 1), reweight=True)[0][0, 1, 0] == 2
