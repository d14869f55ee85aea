"""Progress on the terminal: bars that all commands share, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Advance(Protocol):
    """Is told of every step that was done."""

    def __call__(self, count: int = 1, /) -> None:
        """`count` more steps are done."""


def make_progress(
    *extra: ProgressColumn,
    console: Console | None = None,
    enabled: bool = True,
    percent: bool = False,
    transient: bool = True,
) -> Progress:
    """Bars with description, count, time spent and time left; a context manager without tasks yet.

    Args:
        extra: Columns shown after the count.
        console: Where the bars appear; standard error by default, so that standard output holds
            results alone.
        enabled: Whether anything is shown. Nothing ever is where `console` is no terminal.
        percent: Show a percentage instead of a count of steps.
        transient: Whether the bars vanish at the end.
    """
    console = Console(stderr=True) if console is None else console
    count = TaskProgressColumn() if percent else MofNCompleteColumn()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        count,
        *extra,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
        disable=not (enabled and console.is_terminal),
    )


@contextmanager
def progress_bar(
    description: str, total: int, *, console: Console | None = None
) -> Iterator[Advance]:
    """One bar of `total` steps while the block runs.

    Args:
        description: What is counted, at the left of the bar.
        total: How many steps there are.
        console: As in `make_progress`.

    Yields:
        A function to call with the number of steps done since the last call, 1 by default.
    """
    with make_progress(console=console) as progress:
        task = progress.add_task(description, total=total)

        def advance(count: int = 1, /) -> None:
            progress.advance(task, count)

        yield advance
