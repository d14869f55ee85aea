"""The driver in memory, as tests see it."""

from __future__ import annotations

import ctypes
from typing import Any

ALIVE = ("device_blocks", "host_blocks", "streams", "events", "graphs", "executables")
FAULTS = ("misuse", "freed_in_use", "pageable", "detached")


class Driver:
    """What happened on it, and failures on demand."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL("libcuda.so.1")
        self._library.double_count.restype = ctypes.c_long
        self._library.double_retained.restype = ctypes.c_long
        self._library.double_blocks.restype = ctypes.c_long

    def count(self, name: str) -> int:
        """How many of something are alive, or happened since `forget`."""
        return int(self._library.double_count(name.encode()))

    def openings(self, device: int) -> int:
        """How often anybody opened a GPU: the product, FFmpeg, torch."""
        return int(self._library.double_retained(device))

    def blocks_on(self, device: int) -> int:
        """How many blocks of memory of a GPU are in use."""
        return int(self._library.double_blocks(device))

    def forget(self, name: str) -> None:
        """Begins to count from 0."""
        self._library.double_forget(name.encode())

    def alive(self) -> dict[str, int]:
        """What is there and was not freed."""
        return {name: count for name in ALIVE if (count := self.count(name))}

    def faults(self) -> dict[str, int]:
        """What a program must never do."""
        return {name: count for name in FAULTS if (count := self.count(name))}

    def fail_allocations(self, succeeding: int) -> None:
        """Memory is out after so many more allocations."""
        self._library.double_fail_allocation(ctypes.c_long(succeeding))

    def refuse_graphs(self, how: str) -> None:
        """`begin`: recordings do not begin; `lost`: they are lost; `instantiate`: they cannot be
        made a graph.
        """
        self._library.double_refuse_graphs(("", "begin", "lost", "instantiate").index(how))

    def die_after(self, pieces: int) -> None:
        """The context is dead from that piece of work on."""
        self._library.double_die_after(pieces)

    def die(self) -> None:
        """The context is dead from now on."""
        self._library.double_die()

    def jitter(self, us: int) -> None:
        """Every piece of work begins up to so much later."""
        self._library.double_jitter(us)

    def ignore_waits(self, ignored: bool) -> None:
        """Whether streams go on without waiting for events."""
        self._library.double_ignore_waits(ignored)

    def use_legacy_stream(self) -> int:
        """What another thread's copy on the legacy default stream does; its status."""
        return int(self._library.double_use_legacy_stream())

    def reset(self) -> None:
        """Everything works, and faults are counted from 0."""
        self.fail_allocations(-1)
        self.refuse_graphs("")
        self.die_after(0)
        self.jitter(0)
        self.ignore_waits(False)
        for name in (*FAULTS, "busiest", "kernels", "replays"):
            self.forget(name)
