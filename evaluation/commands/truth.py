"""The command `truth`: the records of a run against the truth of its clip."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from basics.atomic import check_writable
from configs import load_keypoint_set
from configs.commands import Say
from configs.flags import option
from evaluation.metrics.truth import TruthFigures, compare_with_truth, read_records, read_truth
from evaluation.report.tables import markdown, percent, write


@dataclass(frozen=True, kw_only=True)
class TruthConfig:
    """Flags of `truth`."""

    records: Path = option(help="what a run wrote as JSON Lines", metavar="out.jsonl")
    truth: Path = option(help="labels of every frame, .json or .json.gz", metavar="truth.json.gz")
    keypoint_set: str = option("coco", help="keypoint set of both", metavar="NAME")
    json: Path | None = option(None, help="write the figures", metavar="out.json")


def run_truth(config: TruthConfig, say: Say) -> None:
    """Says how many of the labelled people a run found.

    Raises:
        ConfigError: The keypoint set is not known.
        DataError: The records or the truth cannot be used.
        SinkError: `json` cannot be written.
    """
    check_writable(config.json)
    keypoint_set = load_keypoint_set(config.keypoint_set)
    truth = read_truth(config.truth, keypoint_set)
    figures = compare_with_truth(read_records(config.records, keypoint_set), truth, keypoint_set)
    say(_table(figures))
    write(config.json, json.dumps(figures.to_json(), indent=2) + "\n")


def _table(figures: TruthFigures) -> str:
    values = figures.to_json()
    rows = [
        ["frames compared", str(figures.frames)],
        ["frames without a record", str(figures.frames_absent)],
        ["people, one count per frame", str(figures.people)],
        ["found at OKS >= 0.5, %", percent(values["share_found"])],
        ["  of those at least half visible, %", percent(values["share_half_visible_found"])],
        [
            "mean OKS of those found",
            "–" if values["mean_oks"] is None else f"{values['mean_oks']:.3f}",
        ],
        ["missed", str(figures.missed)],
        ["ghosts", str(figures.ghosts)],
    ]
    return markdown(["against the truth", ""], rows)
