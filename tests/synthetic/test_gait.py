"""People who walk do not skate."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic.bodies import Body
from synthetic.gait import Gait, Stride
from synthetic.pose import bone_rotations

_STEP_S = 1 / 50


def _feet(body: Body, stride: Stride, time_s: float) -> np.ndarray:
    gait = stride.gait
    skeleton = body.library.skeleton
    transforms = skeleton.transforms(body.heads, bone_rotations(gait.pose(time_s), body))
    feet = [skeleton.index[name] for name in ("foot.L", "foot.R")]
    posed = (
        np.einsum("fij,fj->fi", transforms[feet][:, :, :3], body.heads[feet])
        + transforms[feet][:, :, 3]
    )
    return posed - [0, stride.distance_m(time_s), 0]


def test_the_standing_foot_stays_where_it_is(body: Body) -> None:
    stride = Stride.of(Gait(), body)
    times = np.arange(0, 2, _STEP_S)
    track = np.array([_feet(body, stride, time) for time in times])
    standing = track[:-1, :, 2].argmin(1)
    moved = np.abs(np.diff(track[:, :, 1], axis=0))[np.arange(len(times) - 1), standing]
    walked = stride.distance_m(2.0)
    assert (
        np.median(moved) / _STEP_S < 0.1
    )  # m/s, while the person walks at more than ten times that
    assert walked / 2.0 == pytest.approx(1.3, abs=0.35)


def test_running_is_faster_than_walking_and_has_a_flight(body: Body) -> None:
    run, walk = Gait(running=True, cadence_hz=1.4), Gait()
    assert Stride.of(run, body).distance_m(3.0) > 1.5 * Stride.of(walk, body).distance_m(3.0)
    lifts = [run.pose(time).lift_m for time in np.linspace(0, 1, 40)]
    assert max(lifts) > 0.03
    assert min(lifts) == 0


def test_a_stride_ends_as_it_began(body: Body) -> None:
    stride = Stride.of(Gait(cadence_hz=0.8, phase=0.3), body)
    assert _feet(body, stride, 0.0)[:, 2] == pytest.approx(
        _feet(body, stride, 1.25)[:, 2], abs=1e-5
    )
