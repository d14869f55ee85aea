"""A terminal that is read back."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta

from rich.console import Console


def terminal() -> tuple[Console, io.StringIO]:
    """A console that takes itself for a terminal of 100 columns, and what is written to it."""
    text = io.StringIO()
    return Console(file=text, force_terminal=True, width=100), text


def json_lines(text: str) -> list[dict[str, object]]:
    """Log lines in JSON, each with all that one has."""
    found: list[dict[str, object]] = [json.loads(line) for line in text.splitlines()]
    for line in found:
        assert {"time", "level", "logger", "message"} <= line.keys()
        assert datetime.fromisoformat(str(line["time"])).utcoffset() == timedelta(0)
    return found
