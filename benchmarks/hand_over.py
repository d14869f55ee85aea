"""How long does it take to hand a frame to another thread, and what does Python's switch interval
do to it?

    python -m benchmarks.hand_over
    python -m benchmarks.hand_over --hops 5000

One thread puts something into a ring every 10 ms, as if a device had finished it then; another
takes it out. Times are from the moment it is due to the moment the other thread has it: two
wake-ups. `busy` is with a third thread that computes in Python without a pause, as code of a user
may: whoever wakes up must then wait until the interpreter is given up, 5 ms by default
(`sys.setswitchinterval`).
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from stream.pipeline.ring import RingBuffer

INTERVALS_MS = (5.0, 0.5, 0.1)
PERIOD_S = 0.010


def measure(hops: int) -> np.ndarray:
    """Microseconds of each hop from thread to thread."""
    ring = RingBuffer([np.zeros(1, np.int64) for _ in range(4)])
    took_us: list[float] = []

    def read() -> None:
        for lease in ring:
            now_ns = time.perf_counter_ns()
            with lease as slot:
                took_us.append((now_ns - int(slot[0])) * 1e-3)

    reader = threading.Thread(target=read)
    reader.start()
    began_s = time.perf_counter()
    for hop in range(1, hops + 1):
        due_s = began_s + hop * PERIOD_S
        time.sleep(max(0.0, due_s - time.perf_counter()))
        lease = ring.reserve()
        assert lease is not None
        lease.slot[0] = due_s * 1e9
        lease.commit()
    ring.close()
    reader.join()
    return np.array(took_us)


@contextmanager
def busy_thread() -> Iterator[None]:
    """A thread that computes in Python while the block runs."""
    stopped = False

    def compute() -> None:
        total = 0
        while not stopped:
            total += 1

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        stopped = True
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hops", type=int, default=300, help="hops per row")
    options = parser.parse_args()
    before_s = sys.getswitchinterval()
    report("idle", measure(options.hops))
    try:
        for interval_ms in INTERVALS_MS:
            sys.setswitchinterval(interval_ms * 1e-3)
            with busy_thread():
                report(f"busy, switch interval {interval_ms:g} ms", measure(options.hops))
    finally:
        sys.setswitchinterval(before_s)


def report(name: str, took_us: np.ndarray) -> None:
    p50, p99 = np.percentile(took_us, (50, 99))
    print(f"{name:28} p50 {p50:8.0f} us, p99 {p99:8.0f} us", flush=True)


if __name__ == "__main__":
    main()
