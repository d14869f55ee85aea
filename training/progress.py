"""Progress of a run: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

logger = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0


class RunProgress:
    """Shows how far the run is, and a line of text with it."""

    def __init__(self, bar: Progress | None, enabled: bool) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=1.0) if bar is not None else None
        self._enabled = enabled
        self._line_at = 0.0

    def update(self, progress: float, text: str) -> None:
        """progress: 0 to 1."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=progress, description=text)
        elif self._enabled and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_EVERY_S
            logger.info("%5.1f %% %s", 100 * progress, text)


@contextmanager
def show_progress(enabled: bool) -> Iterator[RunProgress]:
    """A display for the run, silent unless `enabled`."""
    console = Console(stderr=True)
    if not enabled or not console.is_terminal:
        yield RunProgress(None, enabled)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield RunProgress(bar, enabled)
