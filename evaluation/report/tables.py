"""Measurements as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from basics.atomic import replacing

COCO_COLUMNS = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_medium": "APM",
    "ap_large": "APL",
    "ar": "AR",
    "ar50": "AR50",
    "ar75": "AR75",
    "ar_medium": "ARM",
    "ar_large": "ARL",
}
CROWDPOSE_COLUMNS = {
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ar": "AR",
    "ar50": "AR50",
    "ar75": "AR75",
    "ap_easy": "AP easy",
    "ap_medium": "AP medium",
    "ap_hard": "AP hard",
}


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns padded so that it also reads well as text."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in escaped) for column in range(len(header))]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in escaped
    ]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def figure_cells(figures: Mapping[str, float | None], columns: Mapping[str, str]) -> list[str]:
    """The figures of `columns` in the field's way: AP 0.671 as 67.1; a dash where nobody was
    labelled.
    """
    return [percent(figures.get(name)) for name in columns]


def percent(share: float | None) -> str:
    """0.671 as `67.1`, nothing as a dash."""
    return "–" if share is None else f"{100 * share:.1f}"


def milliseconds(value: float | None) -> str:
    """12.34 as `12.3`, 0.56 as `0.56`, nothing as a dash."""
    if value is None:
        return "–"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def write(path: Path | None, text: str) -> None:
    """Writes `text` to `path`, whole or not at all; nothing where `path` is None.

    Raises:
        SinkError: It cannot be written.
    """
    if path is not None:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
