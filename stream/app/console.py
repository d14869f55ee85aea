"""What a run says on the terminal: a progress bar, log lines that do not tear it, and a table of
the stages.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from types import TracebackType

from rich.console import Console
from rich.progress import ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from basics.progress import make_progress
from basics.statistics import Statistics
from stream.pipeline.progress import Progress
from stream.pipeline.summary import Summary


class ErrorConsole(Console):
    """Standard error. Where nobody reads it any more, that is no reason to end the process."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Leaves all as it is; rich would close standard output and exit with code 1."""


class ConsoleHandler(logging.Handler):
    """Log records as single lines on `console`, above the progress bar if there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        news = getattr(record, "news", False)  # stream.sinks.base.NEWS
        text = f"{'' if news else record.levelname.lower() + ': '}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        # What is logged must not end the thread that logs it, where a terminal is gone or full.
        with suppress(OSError):
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class ProgressBar:
    """Shows how far a run is: frames, rate, time left where the end is known, drops. Does nothing
    without a terminal.
    """

    def __init__(self, console: Console, *, enabled: bool = True) -> None:
        self._bar = make_progress(
            _Rate(), TextColumn("{task.fields[drops]}"), console=console, enabled=enabled
        )
        self._task = self._bar.add_task("", total=None, drops="", fps=0.0)
        self._last = (0, 0.0)

    def update(self, progress: Progress) -> None:
        """Takes what a pipeline tells of its progress; the bar appears with the first of it."""
        with suppress(OSError):
            self._bar.start()
        frames, elapsed_s = self._last
        fps = (
            (progress.frames - frames) / (progress.elapsed_s - elapsed_s)
            if progress.elapsed_s > elapsed_s
            else 0.0
        )
        if progress.elapsed_s - elapsed_s > 1.0:
            self._last = (progress.frames, progress.elapsed_s)
            self._bar.update(self._task, fps=fps)
        drops = f"{progress.drops} dropped" if progress.drops else ""
        with suppress(OSError):
            self._bar.update(
                self._task, completed=progress.frames, total=progress.expected, drops=drops
            )

    def __enter__(self) -> ProgressBar:
        # Not shown yet: before the first frame other bars may be, such as that of a download.
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Takes the bar off; may be called twice."""
        with suppress(OSError):
            self._bar.stop()


class _Rate(ProgressColumn):
    """Frames a second over the last second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['fps']:.1f} FPS")


def stage_table(summary: Summary) -> Table:
    """Time per frame of every stage, how busy it was, and how many frames waited in front of it
    (median).
    """
    table = Table(box=None, title="milliseconds a frame", title_justify="left")
    table.add_column("stage", no_wrap=True)
    for name in ("n", "mean", "p50", "p95", "p99", "max", "busy", "queue"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in summary.stages:
        depth = summary.depths.get(stage.name)
        queue = "" if depth is None else f"{depth.p50:.0f}"
        table.add_row(stage.name, *_numbers(stage.time_ms), f"{stage.busy_share:.0%}", queue)
    table.add_row("capture to sink", *_numbers(summary.latency_ms), "", "")
    return table


def _numbers(time_ms: Statistics) -> list[str]:
    values = (time_ms.mean, time_ms.p50, time_ms.p95, time_ms.p99, time_ms.max)
    return [str(time_ms.n), *(f"{value:.1f}" for value in values)]
