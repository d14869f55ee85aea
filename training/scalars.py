"""Numbers of a run over time: CSV files, TensorBoard where it is installed, and the learning-curve
picture.
"""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Any


class ScalarLog:
    """Rows of numbers, appended to `NAME.csv` in a folder and to TensorBoard event files there. A
    context manager.

    A run that resumes at a step drops the rows written after that step, so that the files read as
    if it had not been interrupted.
    """

    def __init__(self, folder: Path, *, resume_step: int = 0) -> None:
        self.folder = folder
        self._resume_step = resume_step
        self._columns: dict[str, list[str]] = {}
        self._board: Any = None

    def __enter__(self) -> ScalarLog:
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob("*.csv"):
            self._columns[path.stem] = self._cut(path)
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(
                str(self.folder / "tensorboard"), purge_step=self._resume_step or None
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._board is not None:
            self._board.close()

    def write(self, name: str, row: dict[str, float]) -> None:
        """Appends `row`, which has a `step`, to `NAME.csv`."""
        path = self.folder / f"{name}.csv"
        if name not in self._columns:
            self._columns[name] = list(row)
            path.write_text(",".join(row) + "\n", encoding="utf-8")
        if not row.keys() <= set(self._columns[name]):
            self._widen(
                path,
                [*self._columns[name], *(key for key in row if key not in self._columns[name])],
            )
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns[name]).writerow(row)
        if self._board is not None:
            for key, value in row.items():
                self._board.add_scalar(f"{name}/{key}", value, int(row["step"]))

    def _cut(self, path: Path) -> list[str]:
        rows = read_scalars(path)
        columns = path.read_text(encoding="utf-8").splitlines()[0].split(",")
        _write(path, columns, [row for row in rows if row["step"] <= self._resume_step])
        return columns

    def _widen(self, path: Path, columns: list[str]) -> None:
        """A resumed run may measure more than it did before; rows from before have nothing in the
        new columns.
        """
        _write(path, columns, read_scalars(path))
        self._columns[path.stem] = columns


def _write(path: Path, columns: list[str], rows: list[dict[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_scalars(path: Path) -> list[dict[str, float]]:
    """The rows of a CSV file of numbers; nothing if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {key: float(value) for key, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def draw_curves(folder: Path) -> None:
    """Draws `curves.png` in `folder` from `scalars.csv` and `validation.csv` there."""
    from matplotlib.figure import Figure

    rows, checks = read_scalars(folder / "scalars.csv"), read_scalars(folder / "validation.csv")
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for panel, title, prefixes in (
        (axes[0], "heatmap error", ("heatmaps_",)),
        (axes[1], "tag error", ("push", "pull", "position")),
        (axes[2], "learning rate", ("learning_rate",)),
        (axes[3], "held-out AP", ("ap",)),
    ):
        for source, label, style in ((rows, "", "-"), (checks, " (held out)", "o-")):
            names = [key for key in (source[-1] if source else {}) if key.startswith(prefixes)]
            for name in names:
                points = [(row["step"], row[name]) for row in source if row.get(name)]
                if points:
                    panel.plot(
                        *zip(*points, strict=True),
                        style,
                        markersize=3,
                        linewidth=1,
                        label=name + label,
                    )
        panel.set(title=title, xlabel="step")
        if title.endswith("error") and panel.lines:
            panel.set_yscale("log")
        if panel.lines:
            panel.legend(fontsize=7)
    figure.savefig(folder / "curves.png", dpi=100)
