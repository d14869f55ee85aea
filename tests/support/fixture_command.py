"""`run_stream.py` with an engine of the tests in place of a network:

python -m tests.support.fixture_command plaza demo -o out.jsonl
python -m tests.support.fixture_command blank:0.05 clip.mp4        50 ms an image
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import run_stream
import stream.estimator
from tests.support.blank_engine import BlankEngine
from tests.support.plaza_engine import PlazaEngine


def opens_engine(name: str) -> Callable[..., Any]:
    """What takes the place of `open_estimator`."""
    kind, _, delay_s = name.partition(":")

    def open_estimator(*options: Any, **more: Any) -> Any:
        return contextlib.nullcontext(
            PlazaEngine() if kind == "plaza" else BlankEngine(float(delay_s or 0))
        )

    return open_estimator


def main() -> int:
    name, *arguments = sys.argv[1:]
    stream.estimator.open_estimator = opens_engine(name)
    sys.argv[1:] = arguments
    return run_stream.main()


if __name__ == "__main__":
    sys.exit(main())
