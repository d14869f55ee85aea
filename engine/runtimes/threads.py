"""How many threads a CPU runtime may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Cores that this process may run on, hyper-threads counted: containers are given these, not
    the machine's.
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
