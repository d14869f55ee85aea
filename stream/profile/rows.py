"""What was measured, row after row, in memory that is taken once."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

CAPACITY = 1 << 16  # rows: 36 minutes of one stage at 30 frames a second, 2.5 MiB

ROW = np.dtype(
    [
        ("index", "=i8"),
        ("begin_ns", "=i8"),
        ("end_ns", "=i8"),
        ("source", "=i4"),
        ("value", "=i4"),
        ("drops", "=i8"),
    ]
)
_PACK = struct.Struct(
    "=qqqiiq"
).pack_into  # a fifth of the time that assigning to a row of the array takes

_EVEN, _SLOW = 3 / 8, 1 / 8  # of the capacity: rows that stay when it is used up
_LAST_STRIDE = 1 << 40


class Rows:
    """Rows that one thread appends; `capacity` of them at most.

    When they are full, `every` doubles until few enough have an index that is a multiple of it, and
    the others go; from then on only multiples are kept. So frames stay whole: every stage keeps the
    same ones. The slowest of the others stay beside them, since they are what a profile is looked
    at for.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._rows = np.zeros(capacity, ROW)
        self._buffer = self._rows.view(np.uint8).data
        self._count = 0
        self._slow_ns = 0
        self.seen = 0
        self.every = 1

    def append(
        self,
        index: int,
        begin_ns: int,
        end_ns: int,
        source: int = 0,
        value: int = 0,
        drops: int = 0,
    ) -> None:
        """One more row; nothing is allocated for it."""
        length_ns = end_ns - begin_ns
        self.seen += 1
        if self.every > 1 and index % self.every and length_ns <= self._slow_ns:
            return
        if self._count == len(self._rows):
            self._thin()
        _PACK(
            self._buffer, self._count * ROW.itemsize, index, begin_ns, end_ns, source, value, drops
        )
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def kept(self) -> NDArray[np.void]:
        """(n,) of ROW: a view of what is there, in the order in which it came."""
        return self._rows[: self._count]

    def even(self, every: int | None = None) -> NDArray[np.void]:
        """(n,) of ROW: what was kept evenly, without the slow rows that were kept beside it; fit
        for distributions.
        """
        rows = self.kept()
        every = every or self.every
        return rows if every == 1 else rows[rows["index"] % every == 0]

    def _thin(self) -> None:
        rows = self.kept()
        most = max(1, round(_EVEN * len(rows)))
        even = rows["index"] % self.every == 0
        while np.count_nonzero(even) > most:
            self.every *= 2
            even = rows["index"] % self.every == 0
            if self.every > _LAST_STRIDE:  # indices that do not count up: the newest stay
                self.every = 1
                even = np.arange(len(rows)) >= len(rows) - most
        length_ns = rows["end_ns"] - rows["begin_ns"]
        others_ns, slow = np.sort(length_ns[~even]), round(_SLOW * len(rows))
        self._slow_ns = int(others_ns[-slow - 1]) if slow < len(others_ns) else 0
        stays = even | (length_ns > self._slow_ns)
        self._count = int(np.count_nonzero(stays))
        self._rows[: self._count] = rows[stays]
