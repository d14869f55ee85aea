"""One plot of a report, and what plots have in common."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from stream.profile.document import ProfileDocument
from stream.profile.report.svg import Axis, Plot

_STAGES = frozenset({"decode", "infer", "group", "render", "write"})  # those of every run
WIDE = 1100  # px, the width of the page


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A plot with its words.

    Attributes:
        title: Its heading.
        note: What it shows, in a sentence.
        plot: The drawing.
        legend: Style and words of each series.
        wide: Whether it is as wide as the page.
    """

    title: str
    note: str
    plot: Plot
    legend: tuple[tuple[str, str], ...] = ()
    wide: bool = False


def stage_style(name: str) -> str:
    """The CSS class of a stage's colour.

    `decode 1` has that of `decode`. Stages of the user's own, whose names may be anything, share
    four colours among them.
    """
    known = name.split(" ")[0].split(":")[0]
    return f"stage-{known if known in _STAGES else f'own-{zlib.crc32(name.encode()) % 4}'}"


def time_axis(document: ProfileDocument) -> Axis:
    """From the beginning of the run to its end."""
    return Axis(0.0, max(document["elapsed_s"], 1e-3), "s since the run began")
