"""A terminal that is read back."""

from __future__ import annotations

import io

from rich.console import Console


def terminal() -> tuple[Console, io.StringIO]:
    """A console that takes itself for a terminal of 100 columns, and what is written to it."""
    text = io.StringIO()
    return Console(file=text, force_terminal=True, width=100), text
