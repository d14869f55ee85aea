"""Reads damaged files until something breaks: `python -m tests.stream.sources.fuzz FOLDER COUNT
SEED`.

Writes one JSON line a file. A crash of the process, a hang, an exception that is not SourceError or
memory that grows is for the caller to see.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from pathlib import Path

from configs import SourceError
from stream.frame import Frame
from stream.sources import open_source

LIMIT_S = 60.0


def mutate(content: bytes, other: bytes, random_: random.Random) -> tuple[str, bytes, float]:
    """What was done, the damaged file, and which share of it, from its beginning, is whole."""
    kind = random_.choice(("flip", "cut", "splice", "zero", "insert", "swap"))
    start = random_.randrange(len(content))
    share = start / len(content)
    if kind == "flip":
        damaged = bytearray(content)
        for _ in range(random_.randint(1, 200)):
            damaged[random_.randrange(start, len(content))] ^= 1 << random_.randrange(8)
        return kind, bytes(damaged), share
    if kind == "cut":
        return kind, content[:start], share
    if kind == "splice":
        return kind, content[:start] + other[random_.randrange(len(other)) :], share
    length = random_.randint(1, 4096)
    if kind == "zero":
        return kind, content[:start] + bytes(length) + content[start + length :], share
    if kind == "insert":
        return kind, content[:start] + random_.randbytes(length) + content[start:], share
    middle = content[start : start + length]
    return kind, content[:start] + content[start + length :] + middle, share


def read(path: Path) -> dict[str, object]:
    """How many frames came out, and the error if there was one; a file that takes longer than the
    limit ends the process.
    """
    watchdog = threading.Timer(
        LIMIT_S, lambda: (sys.stderr.write(f"hangs: {path}\n"), sys.stderr.flush(), _exit())
    )
    watchdog.daemon = True
    watchdog.start()
    frame, frames, error = Frame(), 0, ""
    try:
        with open_source(str(path)) as source:
            while frames < 2000 and source.read_into(frame):
                frames += 1
    except SourceError as refused:
        error = str(refused)
    watchdog.cancel()
    return {"frames": frames, "error": error}


def _exit() -> None:
    import os

    os._exit(3)


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def main() -> None:
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    originals = sorted(path for path in folder.iterdir() if not path.name.startswith("damaged"))
    contents = {path: path.read_bytes() for path in originals}
    random_ = random.Random(seed)
    for number in range(count):
        original, other = originals[number % len(originals)], random_.choice(originals)
        kind, content, share = mutate(contents[original], contents[other], random_)
        path = folder / f"damaged_{seed}{original.suffix}"
        path.write_bytes(content)
        begin_s = time.process_time()
        result = {"file": original.name, "kind": kind, "share": share, **read(path)}
        result |= {"seconds": time.process_time() - begin_s, "resident_mib": resident_mib()}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
