"""Numbers of a run over time: means of the losses, CSV files, TensorBoard where it is installed."""

from __future__ import annotations

import csv
import importlib.util
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from basics.atomic import atomic_path
from training.losses import Losses


class Meter:
    """Adds up losses on their device, without waiting for it, and gives their means when a row is
    due.
    """

    def __init__(self) -> None:
        self._begin()

    def add(self, losses: Losses, gradient_norm: Tensor, images: int) -> None:
        """Counts one step."""
        values = {f"heatmaps_{level}": loss for level, loss in enumerate(losses.heatmaps)}
        values.update(
            push=losses.push,
            pull=losses.pull,
            position=losses.position,
            gradient_norm=gradient_norm,
        )
        values["total"] = losses.total
        for name, value in values.items():
            self._sums[name] = (
                self._sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()
            )
        self._steps += 1
        self._images += images

    def note(self, **values: float) -> None:
        """Puts numbers of the last step into the next row as they are."""
        self._notes.update(values)

    def take(self) -> tuple[list[str], Tensor, dict[str, float]]:
        """Names and (K,) means since the last call, and what was noted; begins anew."""
        names = list(self._sums)
        means = torch.stack([self._sums[name] for name in names]) / max(self._steps, 1)
        now = time.monotonic()
        notes = {**self._notes, "images_per_s": self._images / max(now - self._since, 1e-9)}
        self._begin()
        return names, means, notes

    def _begin(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._notes: dict[str, float] = {}
        self._steps = 0
        self._images = 0
        self._since = time.monotonic()

    def state(self) -> dict[str, Any]:
        """The sums so far, for a checkpoint."""
        return {
            "sums": {name: value.cpu() for name, value in self._sums.items()},
            "steps": self._steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from `state`."""
        self._sums, self._steps = dict(state["sums"]), state["steps"]


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
        with path.open(encoding="utf-8") as file:
            columns = [name for name in file.readline().rstrip("\n").split(",") if name]
        _write(path, columns, [row for row in rows if row["step"] <= self._resume_step])
        return columns

    def _widen(self, path: Path, columns: list[str]) -> None:
        """A resumed run may measure more than it did before; rows from before have nothing in the
        new columns.
        """
        _write(path, columns, read_scalars(path))
        self._columns[path.stem] = columns


def _write(path: Path, columns: list[str], rows: list[dict[str, float]]) -> None:
    """Writes the whole file: hours of a run are in it, which a signal now must not cost."""
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
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
