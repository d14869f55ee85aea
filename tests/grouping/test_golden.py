"""What the official decoder recorded is found again: in stages, from maps and from candidates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grouping import Grouper
from tests.grouping.support import assert_same_people, load_case, pick

CASES = range(24)
Golden = Callable[[str], Path]


def check_stages(case: dict[str, np.ndarray], grouper: Grouper) -> None:
    frame = grouper.prepare(case["heatmaps"], case["tags"])
    grouper.find_candidates(frame)
    people = grouper.match(frame)
    np.testing.assert_allclose(people.keypoints, case["grouped"][..., :3], rtol=0, atol=1e-5)
    assert (
        np.diff(frame.buffers.candidates.score[0, : frame.buffers.candidates.counts[0]]) <= 0
    ).all()
    joints = np.arange(people.keypoints.shape[1])
    member = frame.buffers.groups.member[: len(people)]
    tags = np.where(member[..., None] >= 0, frame.buffers.candidates.tag[joints, member], 0)
    np.testing.assert_allclose(tags, case["grouped"][..., 3:], rtol=0, atol=1e-5)
    np.testing.assert_allclose(people.scores, case["scores"], rtol=0, atol=1e-5)
    grouper.adjust(frame, people)
    np.testing.assert_allclose(people.keypoints, case["adjusted"][..., :3], rtol=0, atol=1e-5)
    grouper.refine(frame, people, tiles_measured=True)
    np.testing.assert_allclose(people.keypoints, case["refined"][..., :3], rtol=0, atol=1e-5)


def check_ways(case: dict[str, np.ndarray], grouper: Grouper) -> None:
    heatmaps, tags = case["heatmaps"], case["tags"]
    people = grouper(heatmaps, tags)
    np.testing.assert_allclose(people.keypoints, case["refined"][..., :3], rtol=0, atol=1e-5)
    np.testing.assert_allclose(people.scores, case["scores"], rtol=0, atol=1e-5)
    assert_same_people(grouper(heatmaps, tags, pick(heatmaps, tags)), people)
    planes = np.ascontiguousarray(tags.transpose(0, 3, 1, 2))
    assert_same_people(grouper(heatmaps, planes.transpose(0, 2, 3, 1)), people)


@pytest.fixture
def case(number: int, golden: Golden) -> dict[str, np.ndarray]:
    return load_case(golden(f"grouping/case_{number:02d}.npz"))


@pytest.mark.parametrize("number", CASES)
def test_every_stage_equals_the_recorded_one(
    case: dict[str, np.ndarray], groupers: dict[int, Grouper]
) -> None:
    check_stages(case, groupers[len(case["heatmaps"])])


@pytest.mark.parametrize("number", CASES)
def test_candidates_and_other_layouts_give_the_recorded_people(
    case: dict[str, np.ndarray], groupers: dict[int, Grouper]
) -> None:
    check_ways(case, groupers[len(case["heatmaps"])])
