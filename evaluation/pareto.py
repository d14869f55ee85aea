"""The command `table`: AP against milliseconds, from stored measurements, as a table and a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from configs import DataError, RuntimeUnavailableError
from configs.flags import option
from evaluation.results import check_writable, replacing
from evaluation.setting import Setting
from evaluation.store import Measurement, read
from evaluation.tables import markdown, milliseconds, percent

TimeName = Literal["latency_ms_p50", "latency_ms_mean", "overlapped_ms", "live_ms", "network_ms_p50"]


@dataclass(frozen=True, kw_only=True)
class ParetoOptions:
    """Flags of `table`."""

    store: tuple[Path, ...] = option(help="files that `coco` and `speed` appended to", metavar="F.jsonl")
    time: TimeName = option("latency_ms_p50", help="milliseconds to set AP against")
    plot: Path | None = option(None, help="draw AP against milliseconds", metavar="pareto.png")
    markdown: Path | None = option(None, help="write the table", metavar="table.md")


@dataclass(frozen=True)
class Point:
    """A setting with its AP and its time; `best` if it is on the Pareto front, where nothing else is as good and as fast."""

    setting: Setting
    ap: float
    time_ms: float
    best: bool = False


def run_pareto(options: ParetoOptions, say: Callable[[str], None]) -> None:
    """Says the table, fastest first. Raises DataError if no setting has both figures, SinkError for outputs.

    RuntimeUnavailableError if a plot is asked for without matplotlib.
    """
    check_writable(options.plot, options.markdown)
    rows = [row for path in options.store for row in read(path)]
    accuracy, speed = newest(rows, "coco"), newest(rows, "speed")
    points = mark_best(join(accuracy, speed, options.time))
    if not points:
        raise DataError(
            f"no setting has both AP and {options.time}: {len(accuracy)} with AP, {len(speed)} with times; "
            "run `coco` and `speed` for the same model, size and flags with --store"
        )
    conditions = _conditions(list(accuracy.values()), list(speed.values()))
    table = _table(points, options.time, conditions)
    say(table)
    if options.markdown is not None:
        with replacing(options.markdown) as temporary:
            temporary.write_text(table, encoding="utf-8")
    if options.plot is not None:
        draw(points, options.plot, options.time, conditions)


def newest(rows: Sequence[Measurement], kind: str) -> dict[Setting, Measurement]:
    """The last row of each setting; AP only of the split that was measured last, because splits cannot be compared."""
    same = [row for row in rows if row.kind == kind]
    return {row.setting: row for row in same if row.on == same[-1].on}


def join(accuracy: dict[Setting, Measurement], speed: dict[Setting, Measurement], time: str) -> list[Point]:
    """Points of the settings that have both, fastest first.

    AP that was measured with one runtime stands for the others at the same precision: they compute the same network.
    """
    by_precision = {replace(setting, runtime=""): row for setting, row in accuracy.items()}
    points = []
    for setting, row in speed.items():
        accurate = accuracy.get(setting) or by_precision.get(replace(setting, runtime=""))
        ap, time_ms = accurate.figures.get("ap") if accurate else None, row.figures.get(time)
        if ap is not None and time_ms is not None:
            points.append(Point(setting, ap, time_ms))
    return sorted(points, key=lambda point: (point.time_ms, -point.ap))


def mark_best(points: Sequence[Point]) -> list[Point]:
    """The points, those on the Pareto front marked."""


    def beats(other: Point, point: Point) -> bool:
        at_least = other.ap >= point.ap and other.time_ms <= point.time_ms
        return at_least and (other.ap, other.time_ms) != (point.ap, point.time_ms)

    return [replace(point, best=not any(beats(other, point) for other in points)) for point in points]


def draw(points: Sequence[Point], path: Path, time: str, conditions: str) -> None:
    """Writes the plot, in the format that the suffix of `path` names.

    Raises RuntimeUnavailableError without matplotlib, SinkError if it cannot be written, DataError for an unknown suffix.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeUnavailableError("a plot needs matplotlib: pip install 'higherhrnet-stream[train]'") from error
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    kinds = FigureCanvasAgg(figure).get_supported_filetypes()
    kind = path.suffix.lstrip(".").lower()
    if kind not in kinds:
        raise DataError(f"cannot draw {str(path)!r}: the suffix must be one of {', '.join(sorted(kinds))}")
    axes = figure.add_subplot()
    front = [point for point in points if point.best]
    axes.plot([point.time_ms for point in front], [100 * point.ap for point in front], color="tab:blue", zorder=1)
    # Numbers at the points and names beside the plot: names at the points lie on each other where points are near.
    for number, point in enumerate(points, start=1):
        place, colour = (point.time_ms, 100 * point.ap), "tab:blue" if point.best else "tab:grey"
        name = f"{number}  {', '.join(point.setting.columns)}"
        axes.scatter(*place, color=colour, zorder=2, label=name)
        axes.annotate(str(number), place, xytext=(4, 4), textcoords="offset points", fontsize=9)
    axes.set(xlabel=f"milliseconds an image ({time})", ylabel="AP", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.margins(x=0.1, y=0.15)
    axes.grid(visible=True, which="both", alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8, title="blue: on the Pareto front")
    figure.suptitle(conditions, fontsize=9)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=120)


def _conditions(accuracy: Sequence[Measurement], speed: Sequence[Measurement]) -> str:
    machines = "; ".join(sorted({f"{row.hardware}, {row.date}" for row in speed}))
    return f"AP on the {accuracy[-1].on}; milliseconds on {speed[-1].on} ({machines})"


def _table(points: Sequence[Point], time: str, conditions: str) -> str:
    rows = [
        [*point.setting.columns, percent(point.ap), milliseconds(point.time_ms), "best" if point.best else ""]
        for point in points
    ]
    return f"{conditions}\n\n{markdown([*Setting.COLUMNS, 'AP', time, 'Pareto'], rows)}\n"
