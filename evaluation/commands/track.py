"""The command `track`: the identities of a run against a truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from basics.atomic import check_writable
from configs import ConfigError, load_keypoint_set
from configs.commands import Say
from configs.flags import option
from evaluation.metrics.tracking import Box, TrackingFigures, compare_tracks
from evaluation.metrics.tracks import Enlargement, read_tracks
from evaluation.report.tables import markdown, percent, write


def parse_enlargement(text: str, name: str) -> Enlargement:
    """The enlargement that SIDE,UP,DOWN names.

    Args:
        text: `0.35,0.12,0.08`: shares of width, height and height.
        name: What it was written for; stands in the message.

    Raises:
        ConfigError: It is anything else.
    """
    side, up, down = _parse_numbers(text, name, "SIDE,UP,DOWN", "0.35,0.12,0.08")
    return Enlargement(side=side, up=up, down=down)


def format_enlargement(enlargement: Enlargement) -> str:
    """The inverse of `parse_enlargement`."""
    return f"{enlargement.side:g},{enlargement.up:g},{enlargement.down:g}"


def parse_region(text: str, name: str) -> Box:
    """The region that LEFT,TOP,WIDTH,HEIGHT names.

    Args:
        text: `720,0,48,110` in pixels.
        name: What it was written for; stands in the message.

    Raises:
        ConfigError: It is anything else.
    """
    left, top, width, height = _parse_numbers(text, name, "LEFT,TOP,WIDTH,HEIGHT", "720,0,48,110")
    return left, top, width, height


@dataclass(frozen=True, kw_only=True)
class TrackConfig:
    """Flags of `track`."""

    records: Path = option(
        help="what a run wrote: JSON Lines, or MOTChallenge text", metavar="out.jsonl|out.txt"
    )
    truth: Path = option(
        help="MOTChallenge text (every n-th frame is enough), or labels of a synthetic clip",
        metavar="gt.txt|truth.json.gz",
    )
    threshold: float = option(
        0.5, help="similarity (IoU; OKS where both have joints) of a person found", metavar="0..1"
    )
    enlarge: Enlargement = option(
        Enlargement(),
        help="what boxes around joints gain to each side (of their width), up and down (of their "
        "height), where the truth has boxes around bodies",
        metavar="SIDE,UP,DOWN",
        parse=parse_enlargement,
        show=format_enlargement,
    )
    ignore: tuple[Box, ...] = option(
        (),
        help="regions in which the truth is not complete",
        metavar="LEFT,TOP,WIDTH,HEIGHT",
        parse=parse_region,
    )
    keypoint_set: str = option("coco", help="keypoint set of records and labels", metavar="NAME")
    json: Path | None = option(None, help="write the figures", metavar="out.json")

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ConfigError(f"threshold must be between 0 and 1, not {self.threshold}")


def run_track(config: TrackConfig, say: Say) -> None:
    """Says how well identities last.

    Raises:
        ConfigError: The keypoint set is not known.
        DataError: The records or the truth cannot be used.
        RuntimeUnavailableError: trackeval is not installed.
        SinkError: `json` cannot be written.
    """
    check_writable(config.json)
    keypoint_set = load_keypoint_set(config.keypoint_set)
    truth = read_tracks(config.truth, keypoint_set)
    found = read_tracks(config.records, keypoint_set, config.enlarge)
    figures = compare_tracks(
        found, truth, keypoint_set, threshold=config.threshold, ignored=config.ignore
    )
    say(_table(figures))
    write(config.json, json.dumps(figures.to_json(), indent=2) + "\n")


def _parse_numbers(text: str, name: str, rule: str, example: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != rule.count(",") + 1:
        raise ConfigError(f"{name} must be {rule}, such as {example}, not {text!r}")
    return values


def _table(figures: TrackingFigures) -> str:
    values = figures.to_json()
    rows = [
        ["frames compared", str(figures.frames)],
        ["frames without a record", str(figures.frames_absent)],
        ["people, one count per frame", str(figures.people)],
        ["identities in the truth", str(figures.identities)],
        ["identities given", str(figures.identities_found)],
        *([name, percent(values[key])] for name, key in _SHARES.items()),
        ["identity switches", str(figures.switches)],
        ["fragmentations", str(figures.fragmentations)],
    ]
    return markdown(["identities", ""], rows)


_SHARES = {
    "HOTA": "hota",
    "  DetA": "det_a",
    "  AssA": "ass_a",
    "IDF1": "idf1",
    "  IDP": "idp",
    "  IDR": "idr",
    "MOTA": "mota",
    "  recall": "recall",
    "  precision": "precision",
}
