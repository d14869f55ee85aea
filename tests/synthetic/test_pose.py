"""A pose means what it says, and a body keeps its bones' lengths in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthetic.bodies import Body
from synthetic.pose import Arm, Leg, Pose, bone_rotations
from synthetic.postures import random_posture
from synthetic.skeleton import shortest_turn, unit

_coordinate = st.floats(-1, 1)
_direction = st.tuples(_coordinate, _coordinate, _coordinate).filter(
    lambda d: np.linalg.norm(d) > 0.2
)


def _joints(body: Body, pose: Pose) -> dict[str, np.ndarray]:
    skeleton = body.library.skeleton
    transforms = skeleton.transforms(body.heads, bone_rotations(pose, body))
    posed = np.einsum("bij,bj->bi", transforms[:, :, :3], body.heads) + transforms[:, :, 3]
    return dict(zip(skeleton.names, posed, strict=True))


@given(_direction, _direction)
@settings(max_examples=60, deadline=None)
def test_arms_point_where_the_pose_says(
    body: Body, upper: tuple[float, ...], fore: tuple[float, ...]
) -> None:
    arm = Arm(upper=upper, fore=fore)  # type: ignore[arg-type]
    joints = _joints(body, Pose(bend=0.0, left_arm=arm, right_arm=arm))
    for suffix, outward in ((".L", 1), (".R", -1)):
        for start, end, direction in (
            ("upperarm01", "lowerarm01", upper),
            ("lowerarm01", "wrist", fore),
        ):
            wanted = unit(np.array([outward * direction[0], -direction[1], direction[2]]))
            assert unit(joints[end + suffix] - joints[start + suffix]) @ wanted > 0.999


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_posture_keeps_the_lengths_of_bones(body: Body, seed: int) -> None:
    joints = _joints(body, random_posture(np.random.default_rng(seed)).pose)
    skeleton = body.library.skeleton
    for index, parent in enumerate(skeleton.parents):
        if parent >= 0:
            rest = np.linalg.norm(body.heads[index] - body.heads[parent])
            posed = np.linalg.norm(joints[skeleton.names[index]] - joints[skeleton.names[parent]])
            assert posed == pytest.approx(rest, abs=1e-4)


def test_flexions_bend_the_way_that_joints_do(body: Body) -> None:
    straight = _joints(body, Pose(bend=0.0))
    bent = _joints(body, Pose(bend=0.4, nod=0.3, left_leg=Leg(hip=1.0, knee=1.2)))
    assert bent["head"][1] < straight["head"][1]  # forwards is -y
    assert bent["lowerleg01.L"][1] < straight["lowerleg01.L"][1] - 0.2
    assert bent["foot.L"][1] > bent["lowerleg01.L"][1]
    assert bent["foot.R"] == pytest.approx(straight["foot.R"], abs=1e-5)


def test_heading_turns_the_person_to_the_own_left(body: Body) -> None:
    joints = _joints(body, Pose(heading=np.pi / 2))
    assert joints["eye.L"][0] > joints["neck01"][0]  # who faced -y now faces +x
    assert joints["upperarm01.L"][1] > joints["upperarm01.R"][1]


@given(_direction, _direction)
@example((1.0, 0.0, 0.03125), (-0.75, 0.0, -0.03125))  # almost opposite
@example((0.31, 0.52, 0.79), (-0.31, -0.52, -0.79))
def test_shortest_turn_takes_one_direction_to_the_other(
    start: tuple[float, ...], end: tuple[float, ...]
) -> None:
    turn = shortest_turn(np.array(start), np.array(end))
    assert turn @ unit(np.array(start)) == pytest.approx(unit(np.array(end)), abs=1e-6)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-6)
