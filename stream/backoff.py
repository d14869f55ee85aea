"""How long to wait before asking again."""

from __future__ import annotations

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0


def backoff_s(attempt: int, jitter: float) -> float:
    """How long to wait before asking again: doubled each time, at most 15 s, half of it chance.

    Cameras behind one switch come back together; they should not all be asked at the same moment.

    Args:
        attempt: Number of the try that comes next, from 0.
        jitter: The chance, 0..1.
    """
    doubled_s = FIRST_WAIT_S * float(1 << min(attempt, 16))
    return min(LONGEST_WAIT_S, doubled_s) * (0.5 + 0.5 * jitter)
