"""Plots as inline SVG, drawn with nothing but text; colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 48, 12, 24, 34  # room for the labels, in px
Value = float | None


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`; `name` stands beside it, with the unit."""

    low: float
    high: float
    name: str = ""
    log: bool = False

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high end; what lies beyond is put there."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, self.low))
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0

    def ticks(self, count: int = 5) -> list[float]:
        """Round numbers inside of the axis, about `count` of them."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
            inside = [tick for tick in every if self.low <= tick <= self.high]
            return (
                inside
                if len(inside) < 10
                else [tick for tick in inside if f"{tick:e}"[0] == "1"] or inside[::2]
            )
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        rough = span / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def axis_for(values: Sequence[Value], name: str, *, wide: float = 20.0) -> Axis:
    """From 0 to a little over the largest value; logarithmic where that is more than `wide` times
    the median.
    """
    known = sorted(value for value in values if value is not None)
    if not known or known[-1] <= 0:
        return Axis(0.0, 1.0, name)
    positive = [value for value in known if value > 0]
    if known[len(known) // 2] > 0 and known[-1] > wide * known[len(known) // 2]:
        return Axis(positive[0] * 0.9, known[-1] * 1.1, f"{name}, log", log=True)
    return Axis(0.0, known[-1] * 1.06, name)


class Plot:
    """One plot. Marks are drawn in the order of the calls, each with a CSS class; None in a series
    is a gap.
    """

    def __init__(
        self, x: Axis, y: Axis, *, width: int = 540, height: int = 244, title: str = ""
    ) -> None:
        self._x, self._y = x, y
        self._width, self._height = width, height
        self._title = title
        self._marks: list[str] = []

    def line(self, xs: Sequence[float], ys: Sequence[Value], style: str) -> Plot:
        path, pen_up = [], True
        for x, y in zip(xs, ys, strict=True):
            if y is None:
                pen_up = True
                continue
            path.append(f"{'M' if pen_up else 'L'}{self._at(x, y)}")
            pen_up = False
        self._marks.append(f'<path class="line {style}" d="{"".join(path)}"/>')
        return self

    def band(
        self,
        xs: Sequence[float],
        lows: Sequence[float],
        highs: Sequence[float],
        style: str,
        title: str = "",
    ) -> Plot:
        there = [f"L{self._at(x, y)}" for x, y in zip(xs, highs, strict=True)]
        back = [f"L{self._at(x, y)}" for x, y in zip(reversed(xs), reversed(lows), strict=True)]
        if there:
            path = "M" + "".join(there + back)[1:] + "Z"
            self._marks.append(
                f'<path class="band {style}" d="{path}"><title>{escape(title)}</title></path>'
            )
        return self

    def dots(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        style: str,
        *,
        radius: float = 1.6,
        titles: Sequence[str] = (),
    ) -> Plot:
        for index, (x, y) in enumerate(zip(xs, ys, strict=True)):
            column, row = self._at(x, y).split(" ")
            mark = f'<circle class="dot {style}" cx="{column}" cy="{row}" r="{radius}"'
            self._marks.append(
                f"{mark}><title>{escape(titles[index])}</title></circle>" if titles else f"{mark}/>"
            )
        return self

    def bars(
        self,
        edges: Sequence[float],
        heights: Sequence[float],
        style: str,
        *,
        titles: Sequence[str] = (),
    ) -> Plot:
        floor = self._height - BOTTOM
        for index, height in enumerate(heights):
            if height <= 0:
                continue
            left, right = self._column(edges[index]), self._column(edges[index + 1])
            top = self._row(height)
            title = f"<title>{escape(titles[index])}</title>" if titles else ""
            self._marks.append(
                f'<rect class="bar {style}" x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(right - left - 1, 0.8):.1f}" '
                f'height="{floor - top:.1f}">{title}</rect>'
            )
        return self

    def span(self, x: float, low: float, high: float, style: str) -> Plot:
        column, rows = self._column(x), f'y1="{self._row(low):.1f}" y2="{self._row(high):.1f}"'
        self._marks.append(
            f'<line class="span {style}" x1="{column:.1f}" x2="{column:.1f}" {rows}/>'
        )
        return self

    def marker(self, x: float, label: str, *, row: int = 0) -> Plot:
        """A vertical line with a label at its top, `row` lines down."""
        column, end = self._column(x), self._column(x) > self._width * 0.8
        self._marks.append(
            f'<line class="marker" x1="{column:.1f}" x2="{column:.1f}" '
            f'y1="{TOP}" y2="{self._height - BOTTOM}"/>'
            f'<text class="marker" x="{column + (-4 if end else 4):.1f}" y="{TOP + 10 + 13 * row}" '
            f'text-anchor="{"end" if end else "start"}">{escape(label)}</text>'
        )
        return self

    def __str__(self) -> str:
        right, floor = self._width - RIGHT, self._height - BOTTOM
        parts = [
            f'<svg viewBox="0 0 {self._width} {self._height}" role="img" '
            f'aria-label="{escape(self._title)}">'
        ]
        for tick in self._y.ticks():
            row = self._row(tick)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{row:.1f}" y2="{row:.1f}"/>'
            )
            parts.append(
                f'<text class="tick" x="{LEFT - 6}" y="{row + 3.5:.1f}" '
                f'text-anchor="end">{number(tick)}</text>'
            )
        for tick in self._x.ticks(self._width // 100):
            column = self._column(tick)
            parts.append(
                f'<text class="tick" x="{column:.1f}" y="{floor + 15}" '
                f'text-anchor="middle">{number(tick)}</text>'
            )
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
        parts.append(
            f'<text class="name" x="{right}" y="{floor + 30}" '
            f'text-anchor="end">{escape(self._x.name)}</text>'
        )
        parts += self._marks
        parts.append(f'<text class="name" x="{LEFT}" y="{TOP - 11}">{escape(self._y.name)}</text>')
        return "".join([*parts, "</svg>"])

    def _column(self, x: float) -> float:
        return LEFT + self._x.place(x) * (self._width - LEFT - RIGHT)

    def _row(self, y: float) -> float:
        return self._height - BOTTOM - self._y.place(y) * (self._height - TOP - BOTTOM)

    def _at(self, x: float, y: float) -> str:
        return f"{self._column(x):.1f} {self._row(y):.1f}"


def number(value: float) -> str:
    """As short as it can be read: 0.05, 12, 4000."""
    return f"{value:.10g}" if abs(value) < 1e6 else f"{value:.2g}"
