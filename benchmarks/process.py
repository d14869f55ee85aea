"""What this process holds now, on Linux."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mib() -> float:
    """Resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def threads() -> int:
    """How many threads there are, those of native libraries included."""
    return len(list(Path("/proc/self/task").iterdir()))


def open_files() -> int:
    """How many file descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))
