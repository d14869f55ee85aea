"""What `coco` and `crowdpose` have in common: a model over a labelled split, its figures as a
table.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from basics.atomic import check_writable
from basics.progress import progress_bar
from configs.commands import Say
from configs.flags import option
from evaluation.measuring.measurements import Kind, Measurement, append, measurement, read
from evaluation.measuring.prediction import predict
from evaluation.measuring.setting import Setting, SettingConfig, open_setting
from evaluation.metrics.figures import Figures
from evaluation.report.tables import figure_cells, markdown, write
from keypoint_datasets import CocoLabels, ImageStore, Result, load_dataset


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """Flags that name labels and their images."""

    annotations: Path = option(help="labels in COCO's keypoint format", metavar="A.json")
    images: tuple[Path, ...] = option(
        help="folders and zip archives that hold the images", metavar="DIR|ZIP"
    )
    limit: int | None = option(None, help="use the first images only", metavar="N")


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(SettingConfig, LabelConfig):
    """Flags of `coco` and `crowdpose`."""

    results: Path | None = option(
        None, help="write the people found as a COCO results array", metavar="out.json"
    )
    markdown: Path | None = option(None, help="write the table", metavar="table.md")
    store: Path | None = option(
        None,
        help="append the figures; the table then has every row of this split, `table` adds times",
        metavar="F.jsonl",
    )


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How people are scored.

    Attributes:
        kind: What stored measurements call it.
        title: What tables call it.
        columns: Names of its figures and their column titles.
        check: Raises DataError for labels that it cannot be had of.
        score: The figures of results.
    """

    kind: Kind
    title: str
    columns: Mapping[str, str]
    check: Callable[[CocoLabels], Any]
    score: Callable[[CocoLabels, Sequence[Result]], Figures]


def split_name(labels: CocoLabels) -> str:
    """How figures name what they were measured on: always as the held-out split that it is, with
    its size.
    """
    return f"held-out split {labels.name}, {len(labels)} images"


def run_score(metric: Metric, config: ScoreConfig, say: Say) -> None:
    """Says the figures of a model on a held-out split, as Markdown, and writes what was asked for.

    Raises:
        PoseStreamError: What `load_dataset`, `open_setting`, `predict` and the metric raise, and
            SinkError for outputs that cannot be written. Most of it is told before the work begins.
    """
    check_writable(config.results, config.markdown, config.store)
    with ImageStore(config.images) as images, open_setting(config) as opened:
        dataset = load_dataset(config.annotations, images, opened.keypoint_set, limit=config.limit)
        metric.check(dataset)
        started = time.perf_counter()
        with progress_bar(opened.setting.label, len(dataset)) as advance:
            results = predict(opened.estimator, opened.grouper(), dataset, advance)
        seconds = time.perf_counter() - started
    figures = metric.score(dataset, results).to_json()
    row = measurement(metric.kind, opened.setting, split_name(dataset), figures)
    earlier = read(config.store) if config.store is not None and config.store.exists() else []
    table = _table([*_latest(earlier, row), row], metric)
    # Said before anything is written, so that a full disk does not cost the minutes of work.
    say(table)
    say(
        f"{len(dataset)} images in {seconds:.1f} s, {1000 * seconds / len(dataset):.0f} ms an image"
    )
    if config.store is not None:
        append(config.store, row)
    if config.results is not None:
        write(config.results, json.dumps(results))
    write(config.markdown, table)


def _table(rows: Sequence[Measurement], metric: Metric) -> str:
    cells = [[*row.setting.columns, *figure_cells(row.figures, metric.columns)] for row in rows]
    last = rows[-1]
    title = (
        f"{metric.title} figures on the {last.on} ({last.date}); percent, at most 20 people an "
        "image"
    )
    return f"{title}\n\n{markdown([*Setting.COLUMNS, *metric.columns.values()], cells)}\n"


def _latest(rows: Sequence[Measurement], newest: Measurement) -> list[Measurement]:
    """The last row of every other setting that was measured on the same."""
    same = {row.setting: row for row in rows if (row.kind, row.on) == (newest.kind, newest.on)}
    same.pop(newest.setting, None)
    return list(same.values())
