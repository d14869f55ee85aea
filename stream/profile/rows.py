"""What was measured, row after row, in memory that is taken once."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

CAPACITY = 1 << 16  # rows: 36 minutes of one stage at 30 frames a second, 2.5 MiB

ROW = np.dtype(
    [("index", "=i8"), ("begin_ns", "=i8"), ("end_ns", "=i8"), ("source", "=i4"), ("value", "=i4"), ("drops", "=i8")]
)
_PACK = struct.Struct("=qqqiiq").pack_into  # a fifth of the time that assigning to a row of the array takes

_SLOW = 4  # rows that took so many times the mean stay when others are thinned out: at most a quarter of all can
_LAST_STRIDE = 1 << 40


class Rows:
    """Rows that one thread appends; `capacity` of them at most.

    When they are full, those whose index is no multiple of `every` go, and from then on only such are kept: `every` doubles
    until half of them are gone. Frames stay whole, since every stage drops the same indices, and what was unusually slow
    stays in any case: it is what a profile is looked at for.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._rows = np.zeros(capacity, ROW)
        self._buffer = self._rows.view(np.uint8).data
        self._count = 0
        self._slow_ns = 0.0
        self._total_ns = 0
        self.seen = 0
        self.every = 1

    def append(
        self, index: int, begin_ns: int, end_ns: int, source: int = 0, value: int = 0, drops: int = 0
    ) -> None:
        """One more row; nothing is allocated for it."""
        length_ns = end_ns - begin_ns
        self.seen += 1
        self._total_ns += length_ns
        if self.every > 1 and index % self.every and length_ns <= self._slow_ns:
            return
        if self._count == len(self._rows):
            self._thin()
        _PACK(self._buffer, self._count * ROW.itemsize, index, begin_ns, end_ns, source, value, drops)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def kept(self) -> NDArray[np.void]:
        """(n,) of ROW: a view of what is there, in the order in which it came."""
        return self._rows[: self._count]

    def even(self, every: int | None = None) -> NDArray[np.void]:
        """(n,) of ROW: what was kept evenly, without the slow rows that were kept beside it; fit for distributions."""
        rows = self.kept()
        every = every or self.every
        return rows if every == 1 else rows[rows["index"] % every == 0]

    def _thin(self) -> None:
        rows = self.kept()
        length_ns = rows["end_ns"] - rows["begin_ns"]
        while True:
            self.every *= 2
            self._slow_ns = _SLOW * self.every * self._total_ns / self.seen
            stays = (rows["index"] % self.every == 0) | (length_ns > self._slow_ns)
            if self.every >= _LAST_STRIDE:  # indices that do not count up: the newer half stays
                stays = np.arange(len(rows)) >= len(rows) // 2
                self.every = 1
            count = int(np.count_nonzero(stays))
            if count <= len(rows) // 2:
                break
        self._rows[:count] = rows[stays]
        self._count = count
