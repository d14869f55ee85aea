"""Who is whom at the smallest total cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel

UNMATCHED = -1


class AssignmentScratch(NamedTuple):
    """Scratch of one assignment of up to R rows and C columns.

    Attributes:
        column_of_row: (R,) the answer, `UNMATCHED` where a row has nobody.
        row_of_column: (C,) the same the other way round.
        row_price: (R,) float64 dual variables.
        column_price: (C,) float64 dual variables.
        distance: (C,) float64 of the shortest augmenting path to each column.
        previous_row: (C,) the row that this path comes from.
        scanned: (C,) whether that distance is final.
    """

    column_of_row: NDArray[np.int64]
    row_of_column: NDArray[np.int64]
    row_price: NDArray[np.float64]
    column_price: NDArray[np.float64]
    distance: NDArray[np.float64]
    previous_row: NDArray[np.int64]
    scanned: NDArray[np.bool_]

    @classmethod
    def allocate(cls, rows: int, columns: int) -> AssignmentScratch:
        """Room for `rows` people of a frame and `columns` tracks."""
        width = rows + columns  # every row has a column of its own besides, for "nobody"
        return cls(
            column_of_row=np.zeros(rows, np.int64),
            row_of_column=np.zeros(width, np.int64),
            row_price=np.zeros(rows),
            column_price=np.zeros(width),
            distance=np.zeros(width),
            previous_row=np.zeros(width, np.int64),
            scanned=np.zeros(width, np.bool_),
        )


@kernel
def assign(
    cost: NDArray[np.float64],
    rows: int,
    columns: int,
    limit: float,
    scratch: AssignmentScratch,
) -> None:
    """Fills `scratch.column_of_row` with the assignment of least total cost of `cost[:rows,
    :columns]`, in which staying unmatched costs `limit`.

    Shortest augmenting paths (Jonker and Volgenant 1987) over the columns plus one column per row
    that stands for nobody, so that no pair dearer than `limit` is ever made. Among equals the
    first row and the first column win.
    """
    width = columns + rows
    answer, owner = scratch.column_of_row, scratch.row_of_column
    row_price, column_price = scratch.row_price, scratch.column_price
    for column in range(width):
        owner[column] = UNMATCHED
        column_price[column] = 0.0
    for row in range(rows):
        answer[row] = UNMATCHED
        row_price[row] = 0.0
    for start in range(rows):
        last = _shortest_path(cost, start, columns, width, limit, scratch)
        while True:  # turn the path round
            row = scratch.previous_row[last]
            owner[last] = row
            last, answer[row] = answer[row], last
            if row == start:
                break
    for row in range(rows):
        if answer[row] >= columns:
            answer[row] = UNMATCHED


@kernel
def _shortest_path(
    cost: NDArray[np.float64],
    start: int,
    columns: int,
    width: int,
    limit: float,
    scratch: AssignmentScratch,
) -> int:
    """The free column at the end of the shortest augmenting path from row `start`; updates the
    prices.
    """
    owner, distance = scratch.row_of_column, scratch.distance
    row_price, column_price = scratch.row_price, scratch.column_price
    for column in range(width):
        distance[column] = np.inf
        scratch.scanned[column] = False
    row, shortest = start, 0.0
    while True:
        nearest, least = -1, np.inf
        for column in range(width):
            if scratch.scanned[column]:
                continue
            if column >= columns and column != columns + row:
                edge = np.inf
            else:
                edge = limit if column >= columns else cost[row, column]
            length = shortest + edge - row_price[row] - column_price[column]
            if length < distance[column]:
                distance[column] = length
                scratch.previous_row[column] = row
            if distance[column] < least:
                nearest, least = column, distance[column]
        shortest = least
        scratch.scanned[nearest] = True
        if owner[nearest] == UNMATCHED:
            break
        row = owner[nearest]
    row_price[start] += shortest
    for column in range(width):
        if scratch.scanned[column] and column != nearest:
            change = shortest - distance[column]
            row_price[owner[column]] += change
            column_price[column] -= change
    return nearest
