"""The assignment is that of munkres 1.1.4, not merely one that costs as little."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from grouping.assignment import Assignment, assign

SIZE = 32
SCRATCH = Assignment.allocate(SIZE)


def solve(cost: NDArray[np.float64]) -> list[int]:
    """The column of each row of `cost` (rows, columns), rows <= columns; as matching does it, with
    rows of zeros added.
    """
    rows, columns = cost.shape
    SCRATCH.cost[:columns, :columns] = 0
    SCRATCH.cost[:columns, :rows] = cost.T
    assign(SCRATCH, columns)
    return [int(column) for column in SCRATCH.star_in_row[:rows]]


def solve_with_munkres(cost: NDArray[np.float64]) -> list[int]:
    from munkres import Munkres

    # The package changes the matrix that it is given.
    return [column for _, column in sorted(Munkres().compute(cost.copy()))]


def draw_cost(
    rng: np.random.Generator, candidates: int, groups: int, spread: float, tag_length: int
) -> NDArray[np.float64]:
    """A cost as the official parser makes it: rounded tag distance times 100 less the score, padded
    with 1e10.
    """
    means = rng.normal(0, spread, (groups, tag_length)).astype(np.float32)
    tags = means[rng.integers(0, groups, candidates)] + rng.normal(
        0, 0.3, (candidates, tag_length)
    ).astype(np.float32)
    scores = np.sort(rng.uniform(0.1, 1, candidates).astype(np.float32))[::-1].astype(float)
    distance = np.linalg.norm(tags[:, None].astype(float) - means[None].astype(float), axis=2)
    padding = np.full((candidates, max(candidates - groups, 0)), 1e10)
    return np.concatenate((np.round(distance) * 100 - scores[:, None], padding), axis=1)


@pytest.mark.parametrize("spread", [0.8, 3.0, 10.0])
def test_costs_of_the_parser_are_assigned_as_by_munkres(munkres: None, spread: float) -> None:
    rng = np.random.default_rng(int(spread * 10))
    for _ in range(1000):
        candidates, groups = rng.integers(1, 13, 2)
        cost = draw_cost(rng, candidates, groups, spread, rng.integers(1, 3))
        assert solve(cost) == solve_with_munkres(cost)


@pytest.mark.parametrize(
    ("candidates", "groups"),
    [(30, 30), (30, 20), (30, 10), (30, 5), (30, 1), (20, 30), (5, 30), (1, 30)],
)
def test_full_sizes_are_assigned_as_by_munkres(munkres: None, candidates: int, groups: int) -> None:
    rng = np.random.default_rng(candidates * 100 + groups)
    for _ in range(12):
        cost = draw_cost(rng, candidates, groups, rng.choice([0.8, 3.0, 30.0]), rng.integers(1, 3))
        assert solve(cost) == solve_with_munkres(cost)


@given(
    cost=st.integers(1, 7).flatmap(
        lambda n: arrays(float, (n, n), elements=st.sampled_from([0.0, 1.0, 2.0]))
    )
)
@settings(deadline=None, max_examples=400)
def test_ties_everywhere_are_decided_as_by_munkres(
    munkres: None, cost: NDArray[np.float64]
) -> None:
    assert solve(cost) == solve_with_munkres(cost)


def test_rounding_beside_enormous_costs_is_that_of_munkres(munkres: None) -> None:
    """Adding 1e10 and subtracting it again rounds tenths, after which some are equal that were not,
    or the reverse.
    """
    rng = np.random.default_rng(1)
    for _ in range(1500):
        cost = rng.integers(0, 6, (12, 12)) * 0.1
        cost[rng.random(cost.shape) < 0.4] += 1e10
        assert solve(cost) == solve_with_munkres(cost)


@given(
    cost=st.tuples(st.integers(1, 5), st.integers(0, 3)).flatmap(
        lambda size: arrays(
            float, (size[0], size[0] + size[1]), elements=st.floats(-1e3, 1e3, width=32)
        )
    )
)
@settings(deadline=None, max_examples=400)
def test_the_cost_is_the_least(cost: NDArray[np.float64]) -> None:
    rows, columns = cost.shape
    assigned = solve(cost)
    assert len(set(assigned)) == rows
    least = min(
        sum(cost[range(rows), chosen]) for chosen in itertools.permutations(range(columns), rows)
    )
    assert sum(cost[range(rows), assigned]) == pytest.approx(least, abs=1e-6)


def test_enormous_costs_come_to_an_end() -> None:
    rng = np.random.default_rng(0)
    cost = rng.uniform(0, 1, (20, 20)) * 10.0 ** rng.integers(0, 32, (20, 20))
    assert sorted(solve(cost)) == list(range(20))
