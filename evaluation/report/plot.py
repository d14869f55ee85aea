"""AP against milliseconds as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from basics.atomic import replacing
from configs import DataError, RuntimeUnavailableError
from evaluation.measuring.setting import Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

_MARKERS = "osD^vP*Xdh<>p"
_FRONT = "#1f6fb4"
_DISTANCES_PT = (5, 9, 14, 20, 27, 36)
_HORIZONTAL, _VERTICAL = (
    {-1: "right", 0: "center", 1: "left"},
    {-1: "top", 0: "center", 1: "bottom"},
)
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))


Box = tuple[float, ...]  # left, bottom, right, top in pixels of the picture


@dataclass(frozen=True)
class Point:
    """A setting with its AP and its time.

    Attributes:
        setting: The setting.
        ap: 0 to 1.
        time_ms: Milliseconds an image.
        best: Whether it is on the Pareto front: nothing else is as good and as fast.
        figures: All that was measured of its time, by name.
    """

    setting: Setting
    ap: float
    time_ms: float
    best: bool = False
    figures: Mapping[str, float | None] = field(default_factory=dict)


def draw(points: Sequence[Point], path: Path, time: str, conditions: str) -> None:
    """Draws AP against milliseconds: one line for every way of running a model, through its input
    sizes, which stand at the points.

    Args:
        points: What to draw.
        path: Where to; the suffix names the format.
        time: Which milliseconds these are.
        conditions: What stands above.

    Raises:
        RuntimeUnavailableError: matplotlib is not installed.
        DataError: The suffix is not known.
        SinkError: It cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, NullLocator
    except ImportError as error:
        raise RuntimeUnavailableError(
            "a plot needs matplotlib: pip install 'higherhrnet-stream[evaluation]'"
        ) from error
    figure = Figure(figsize=(11, 6), layout="constrained")
    kinds = FigureCanvasAgg(figure).get_supported_filetypes()
    kind = path.suffix.lstrip(".").lower()
    if kind not in kinds:
        raise DataError(
            f"cannot draw {str(path)!r}: the suffix must be one of {', '.join(sorted(kinds))}"
        )
    axes = figure.add_subplot()
    _draw_front(axes, points)
    for number, (name, series) in enumerate(_series(points)):
        _draw_series(axes, name, series, number)
    axes.set(xlabel=f"milliseconds an image ({time}), logarithmic", ylabel="AP", xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(labelsize=8)
    axes.margins(x=0.08, y=0.12)
    axes.grid(visible=True, alpha=0.25)
    figure.legend(loc="outside right upper", fontsize=8)
    axes.set_title(conditions, fontsize=9, loc="left")
    label_points(axes, points)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=130)


def label_points(axes: Axes, points: Sequence[Point]) -> list[Annotation]:
    """Input sizes at the points, those of the front bold; no label lies on another or on a point.

    A label without space near its point is moved away from it and tied to it by a thin line; one
    without any space is left out.

    Args:
        axes: Whose limits and scales are what they will be.
        points: What is labelled.

    Returns:
        The labels that were drawn.
    """
    from matplotlib.text import Text

    figure: Any = axes.figure
    figure.draw_without_rendering()  # the layout gives the axes their final place
    renderer = figure.canvas.get_renderer()
    places = [tuple(axes.transData.transform((point.time_ms, 100 * point.ap))) for point in points]
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    frame = axes.get_window_extent(renderer).extents
    texts: list[Annotation] = []
    # The front first: its labels get the best places.
    for point in sorted(points, key=lambda point: not point.best):
        text = _annotate(axes, point)
        for distance, (right, up) in itertools.product(_DISTANCES_PT, _DIRECTIONS):
            text.set(
                position=(distance * right, distance * up), ha=_HORIZONTAL[right], va=_VERTICAL[up]
            )
            text.update_positions(renderer)
            box: Box = tuple(
                Text.get_window_extent(text, renderer).extents
            )  # without the line to the point
            inside = (
                frame[0] < box[0] and frame[1] < box[1] and box[2] < frame[2] and box[3] < frame[3]
            )
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                texts.append(text)
                far = distance > _DISTANCES_PT[1]
                text.arrow_patch.set_visible(far)  # type: ignore[union-attr]
                break
        else:
            text.remove()
    return texts


def _annotate(axes: Axes, point: Point) -> Annotation:
    return axes.annotate(
        point.setting.input_size,
        (point.time_ms, 100 * point.ap),
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=8 if point.best else 7,
        fontweight="bold" if point.best else "normal",
        color=_FRONT if point.best else "0.35",
        arrowprops={
            "arrowstyle": "-",
            "color": "0.6",
            "linewidth": 0.5,
            "shrinkA": 0,
            "shrinkB": 3,
        },
    )


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _draw_front(axes: Axes, points: Sequence[Point]) -> None:
    front = sorted((point for point in points if point.best), key=lambda point: point.time_ms)
    axes.step(
        [point.time_ms for point in front],
        [100 * point.ap for point in front],
        where="post",
        color=_FRONT,
        linewidth=6,
        alpha=0.2,
        label="Pareto front: nothing is as good and as fast",
    )


def _draw_series(axes: Axes, name: str, series: Sequence[Point], number: int) -> None:
    times, aps = [point.time_ms for point in series], [100 * point.ap for point in series]
    line = axes.plot(
        times,
        aps,
        linewidth=0.8,
        alpha=0.6,
        marker=_MARKERS[number % len(_MARKERS)],
        markersize=4,
        label=name,
    )[0]
    best = [(point.time_ms, 100 * point.ap) for point in series if point.best]
    if best:
        axes.plot(
            *zip(*best, strict=True),
            linestyle="",
            marker=line.get_marker(),
            markersize=7,
            color=line.get_color(),
        )


def _series(points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    """Points that differ in input size alone, under the name of what they have in common, smallest
    input first.
    """
    groups: dict[Setting, list[Point]] = {}
    for point in points:
        groups.setdefault(replace(point.setting, input_size=""), []).append(point)
    several = len({(setting.model, setting.weights) for setting in groups}) > len(
        {setting.model for setting in groups}
    )
    for setting, members in groups.items():
        model = f"{setting.model} #{setting.weights}" if several else setting.model
        name = ", ".join((model, setting.runtime, setting.precision, *setting.treatment))
        yield (
            name,
            sorted(
                members, key=lambda point: (len(point.setting.input_size), point.setting.input_size)
            ),
        )
