"""The assignment against every other one there is, on problems small enough to try them all."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.tracking.assignment import UNMATCHED, AssignmentScratch, assign

LIMIT = 0.6


def least_total(cost: np.ndarray) -> float:
    """By trying everything: a row takes a column of its own, or stays without one for LIMIT."""
    rows, columns = cost.shape
    choices = np.concatenate([cost, np.full((rows, rows), LIMIT)], axis=1)
    return min(
        sum(float(choices[row, column]) for row, column in enumerate(order))
        for order in permutations(range(columns + rows), rows)
    )


@given(
    st.integers(0, 3),
    st.integers(0, 4),
    st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.59, 0.7, np.inf]), min_size=12, max_size=12),
)
def test_the_total_cost_is_the_least_there_is(rows: int, columns: int, values: list[float]) -> None:
    cost = np.array(values[: rows * columns]).reshape(rows, columns)
    table = np.full((8, 8), -1.0)  # what is outside of the problem must not matter
    table[:rows, :columns] = cost
    scratch = AssignmentScratch.allocate(8, 8)
    assign(table, rows, columns, LIMIT, scratch)
    answer = scratch.column_of_row[:rows]
    taken = answer[answer != UNMATCHED]
    assert len(set(taken.tolist())) == len(taken)
    total = sum(
        LIMIT if column == UNMATCHED else float(cost[row, column])
        for row, column in enumerate(answer)
    )
    assert total == pytest.approx(least_total(cost))


def test_no_pair_is_dearer_than_staying_alone() -> None:
    scratch = AssignmentScratch.allocate(4, 4)
    assign(np.full((4, 4), LIMIT + 0.01), 4, 4, LIMIT, scratch)
    assert (scratch.column_of_row == UNMATCHED).all()
