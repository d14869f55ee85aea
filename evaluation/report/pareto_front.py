"""AP against milliseconds: which settings are worth having."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from basics.atomic import check_writable
from configs.commands import Say
from configs.flags import option
from evaluation.measuring.measurements import Measurement
from evaluation.measuring.setting import Setting
from evaluation.report.plot import Point, draw
from evaluation.report.tables import markdown, milliseconds, percent, write

TimeName = Literal[
    "latency_ms_p50",
    "latency_ms_p95",
    "latency_ms_p99",
    "latency_ms_mean",
    "overlapped_ms",
    "live_ms",
    "network_ms_p50",
]


_BESIDE = ("latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "overlapped_ms")


@dataclass(frozen=True, kw_only=True)
class FrontConfig:
    """Flags of every command that sets AP against milliseconds."""

    time: TimeName = option("latency_ms_p50", help="milliseconds to set AP against")
    plot: Path | None = option(
        None, help="draw AP against milliseconds; .png, .svg or .pdf", metavar="pareto.svg"
    )
    markdown: Path | None = option(None, help="write the table", metavar="table.md")

    def check(self) -> None:
        """Makes sure that the outputs can be written.

        Raises:
            SinkError: One cannot.
        """
        check_writable(self.plot, self.markdown)


def newest(rows: Sequence[Measurement], kind: str) -> dict[Setting, Measurement]:
    """The last row of each setting, of those measured where the very last one was.

    Other splits or clips, and for times other machines, are left out: their figures cannot be
    compared.
    """
    same = [row for row in rows if row.kind == kind]
    return {
        row.setting: row
        for row in same
        if row.on == same[-1].on and (kind != "speed" or row.hardware == same[-1].hardware)
    }


def join(
    accuracy: dict[Setting, Measurement], speed: dict[Setting, Measurement], time: str
) -> list[Point]:
    """Points of the settings that have both, fastest first.

    AP that was measured with one runtime stands for the others at the same precision: with the same
    weights, map stride and everything else they compute the same network.
    """
    by_precision = {replace(setting, runtime=""): row for setting, row in accuracy.items()}
    points = []
    for setting, row in speed.items():
        accurate = accuracy.get(setting) or by_precision.get(replace(setting, runtime=""))
        ap, time_ms = accurate.figures.get("ap") if accurate else None, row.figures.get(time)
        if ap is not None and time_ms is not None:
            points.append(Point(setting, ap, time_ms, figures=row.figures))
    return mark_best(sorted(points, key=lambda point: (point.time_ms, -point.ap)))


def mark_best(points: Sequence[Point]) -> list[Point]:
    """The points, those on the Pareto front marked."""

    def beats(other: Point, point: Point) -> bool:
        at_least = other.ap >= point.ap and other.time_ms <= point.time_ms
        return at_least and (other.ap, other.time_ms) != (point.ap, point.time_ms)

    return [
        replace(point, best=not any(beats(other, point) for other in points)) for point in points
    ]


def report(
    rows: Sequence[Measurement],
    points: Sequence[Point],
    config: FrontConfig,
    say: Say,
) -> None:
    """Says the table, fastest first, and writes what was asked for.

    Args:
        rows: All measurements, which tell the conditions.
        points: What to tabulate.
        config: What to write.
        say: Takes the table.

    Raises:
        SinkError: An output cannot be written.
        RuntimeUnavailableError: A plot is asked for without matplotlib.
    """
    conditions = _conditions(rows)
    table = _table(points, config.time, conditions)
    say(table)
    write(config.markdown, table)
    if config.plot is not None:
        draw(points, config.plot, config.time, conditions)


def _conditions(rows: Sequence[Measurement]) -> str:
    speed = list(newest(rows, "speed").values())
    dates = sorted({row.date for row in speed})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    accuracy = next(iter(newest(rows, "coco").values()))
    where = "" if accuracy.on == speed[-1].on else f"; milliseconds on {speed[-1].on}"
    return f"AP on the {accuracy.on}{where}; {speed[-1].hardware}, {when}"


def _table(points: Sequence[Point], time: str, conditions: str) -> str:
    """The time that counts first, and what else of `_BESIDE` is known."""
    times = [
        time,
        *(
            name
            for name in _BESIDE
            if name != time and any(name in point.figures for point in points)
        ),
    ]
    rows = [
        [
            *point.setting.columns,
            percent(point.ap),
            *(milliseconds(point.figures.get(name)) for name in times),
            "best" if point.best else "",
        ]
        for point in points
    ]
    return f"{conditions}\n\n{markdown([*Setting.COLUMNS, 'AP', *times, 'Pareto'], rows)}\n"
