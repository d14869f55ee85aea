"""The command `table`: AP against milliseconds, from stored measurements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from configs import DataError
from configs.commands import Say
from configs.flags import option
from evaluation.measuring.measurements import read
from evaluation.report.pareto_front import FrontConfig, join, newest, report


@dataclass(frozen=True, kw_only=True)
class TableConfig(FrontConfig):
    """Flags of `table`."""

    store: tuple[Path, ...] = option(
        help="files that `coco`, `speed` and `pareto` appended to", metavar="F.jsonl"
    )


def run_table(config: TableConfig, say: Say) -> None:
    """Says the table, fastest first.

    Raises:
        DataError: No setting has both figures.
        SinkError: An output cannot be written.
        RuntimeUnavailableError: A plot is asked for without matplotlib.
    """
    config.check()
    rows = [row for path in config.store for row in read(path)]
    accuracy, speed = newest(rows, "coco"), newest(rows, "speed")
    points = join(accuracy, speed, config.time)
    if not points:
        raise DataError(
            f"no setting has both AP and {config.time}: {len(accuracy)} with AP, {len(speed)} "
            "with times; "
            "run `coco` and `speed` for the same weights, size and flags with --store, or `pareto`"
        )
    report(rows, points, config, say)
