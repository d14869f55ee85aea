"""People of two runtimes are paired, and what is left over is lost or gained."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.verify.maps import TOLERANCES
from engine.verify.people import PeopleComparison, PeopleParity
from tests.engine.verify.samples import PERFECT


def person(x, y, size=100.0, joints=5):
    points = np.random.default_rng(7).uniform(0, size, (joints, 2))
    return np.concatenate((points + np.array([x, y]), np.ones((joints, 1))), axis=1)


def compare(found, expected):
    comparison = PeopleComparison()
    comparison.add(
        *(np.array(people, np.float32).reshape(-1, 5, 3) for people in (found, expected))
    )
    return comparison.summary()


@settings(deadline=None)
@given(order=st.permutations(range(4)), shift=st.floats(0, 3))
def test_order_does_not_matter_and_drift_is_how_far_joints_moved(order, shift):
    expected = [person(200 * index, 50) for index in range(4)]
    found = [expected[index] + (shift, 0, 0) for index in order]

    parity = compare(found, expected)

    assert (parity.people, parity.lost, parity.gained) == (4, 0, 0)
    assert parity.drift_median_px == pytest.approx(shift, abs=1e-3)
    assert parity.drift_mean_px == pytest.approx(shift, abs=1e-3)
    assert parity.drift_p95_px == pytest.approx(shift, abs=1e-3)


def test_a_person_who_is_elsewhere_is_lost_and_another_gained():
    parity = compare(
        [person(0, 0), person(500, 0)], [person(0, 0), person(500, 300), person(900, 0)]
    )

    assert (parity.people, parity.lost, parity.gained) == (3, 2, 1)
    assert parity.drift_mean_px == 0


def test_missing_joints_are_not_compared():
    partial = person(0, 0)
    partial[2] = (9999, 9999, 0)
    parity = compare([partial], [person(0, 0)])

    assert (parity.lost, parity.gained, parity.drift_p95_px) == (0, 0, 0)
    partial[:, 2] = 0  # nobody to compare with is another person
    assert compare([partial], [person(0, 0)]).lost == 1


@pytest.mark.parametrize(
    "found, expected, lost, gained",
    [([], [], 0, 0), ([], [person(0, 0)], 1, 0), ([person(0, 0)], [], 0, 1)],
)
def test_nobody_is_an_answer(found, expected, lost, gained):
    parity = compare(found, expected)

    assert (parity.lost, parity.gained) == (lost, gained)
    assert parity.drift_median_px == 0


@pytest.mark.parametrize(
    "change, words",
    [
        ({"lost": 5, "gained": 2}, "people lost or gained: 0.12"),
        ({"drift_median_px": 0.9}, "median drift of keypoints in pixels: 0.9 (allowed: 0.5)"),
        ({"drift_median_px": float("nan")}, "nan"),
    ],
)
def test_people_out_of_tolerance_are_named(change, words):
    same = PeopleParity(
        people=50, lost=1, gained=0, drift_median_px=0, drift_mean_px=0, drift_p95_px=0
    )
    fp16 = TOLERANCES["fp16"]
    assert not fp16.exceeded_by(dataclasses.replace(PERFECT, people=same))
    assert words in fp16.exceeded_by(
        dataclasses.replace(PERFECT, people=dataclasses.replace(same, **change))
    )
