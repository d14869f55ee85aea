"""What the command says and shows on a terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from configs.flags import option


@dataclass(frozen=True, kw_only=True)
class TerminalConfig:
    """What the command says and shows.

    Attributes:
        show: Whether a window is opened for every source.
        verbose: Whether what happens is logged.
        quiet: Whether there is no progress bar and no summary.
        log_format: How lines on standard error are written: as text, with a progress bar where
            somebody looks, or as JSON objects for a log collector.
    """

    TITLE: ClassVar[str] = "terminal"

    show: bool = option(False, help="open a window")
    verbose: bool = option(False, help="log what happens", short="-v")
    quiet: bool = option(False, help="no progress bar and no summary", short="-q")
    log_format: Literal["text", "json"] = option(
        "text", help="json: every line on standard error is a JSON object, the summary, too"
    )


def program_name() -> str:
    """What this program was called by: the installed command, or the script of a checkout."""
    called = Path(sys.argv[0]).name
    return "run-stream" if called.startswith("run-stream") else "run_stream.py"
