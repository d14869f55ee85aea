"""A progress bar for builds."""

from __future__ import annotations

from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class BuildProgress:
    """One bar a phase of the build, on standard error; called as `Progress` of
    engine.tensorrt_build. A context manager.
    """

    def __init__(self) -> None:
        from rich.console import Console

        steps = TextColumn("{task.completed}/{task.total}")
        columns = (TextColumn("{task.description}"), BarColumn(), steps, TimeElapsedColumn())
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, phase: str, step: int, steps: int) -> None:
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=steps)
        self._bars.update(self._tasks[phase], completed=step)

    def __enter__(self) -> BuildProgress:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()
