"""What this process takes from the machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

_STATM = Path("/proc/self/statm")


class ProcessProbe:
    """What this process takes.

    It reads `cpu_percent`, processor time of all threads since the last reading, 100 for one whole
    core, and `resident_mib`, memory.
    """

    name = "the process"

    def __init__(self) -> None:
        self._page_mib = os.sysconf("SC_PAGE_SIZE") / 2**20 if hasattr(os, "sysconf") else 0.0
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        readings = {}
        if (
            wall_s - self._wall_s > 0.05
        ):  # the first reading comes too soon after the start to mean anything
            readings["cpu_percent"] = (cpu_s - self._cpu_s) / (wall_s - self._wall_s) * 100
            self._wall_s, self._cpu_s = wall_s, cpu_s
        resident_mib = self._resident_mib()
        if resident_mib is not None:
            readings["resident_mib"] = resident_mib
        return readings

    def close(self) -> None:
        pass

    def _resident_mib(self) -> float | None:
        try:
            return int(_STATM.read_text(encoding="ascii").split()[1]) * self._page_mib
        except OSError:
            return None  # not Linux
