"""Bars appear on a terminal, vanish at the end, and nowhere else."""

from __future__ import annotations

import io

from rich.console import Console

from basics.progress import make_progress, progress_bar
from tests.support.console import terminal


def test_a_bar_counts_what_was_done() -> None:
    console, text = terminal()
    with progress_bar("pictures", 5, console=console) as advance:
        advance()
        advance(3)
    assert "pictures" in text.getvalue()
    assert "4/5" in text.getvalue()


def test_a_percentage_replaces_the_count_where_it_says_more() -> None:
    console, text = terminal()
    with make_progress(console=console, percent=True, transient=False) as progress:
        progress.update(progress.add_task("training", total=1.0), completed=0.25)
    assert "25%" in text.getvalue()


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    text = io.StringIO()
    with progress_bar("pictures", 2, console=Console(file=text)) as advance:
        advance(2)
    assert text.getvalue() == ""


def test_nothing_is_drawn_when_it_is_not_wanted() -> None:
    console, text = terminal()
    with make_progress(console=console, enabled=False) as progress:
        progress.add_task("pictures", total=1)
    assert text.getvalue() == ""
