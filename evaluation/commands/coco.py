"""The commands `coco` and `crowdpose`: a model over a labelled split, its figures as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.flags import option
from evaluation.dataset import PoseDataset, load_dataset
from evaluation.images import ImageStore
from evaluation.measuring.measurements import Kind, Measurement, append, measurement, read
from evaluation.measuring.prediction import predict
from evaluation.measuring.setting import Setting, SettingOptions, open_setting
from evaluation.metrics.coco import check_areas, score
from evaluation.metrics.crowdpose import crowding_of, score_crowdpose
from evaluation.progress import progress_bar
from evaluation.report.tables import COCO_COLUMNS, CROWDPOSE_COLUMNS, figure_cells, markdown
from evaluation.results import check_writable, replacing, write_results


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """Flags that name labels and their images."""

    annotations: Path = option(help="labels in COCO's keypoint format", metavar="A.json")
    images: tuple[Path, ...] = option(
        help="folders and zip archives that hold the images", metavar="DIR|ZIP"
    )
    limit: int | None = option(None, help="use the first images only", metavar="N")


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(SettingOptions, LabelOptions):
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


Say = Callable[[str], None]


def run_coco(options: ScoreOptions, say: Say) -> None:
    """Says COCO's ten figures of a model on a held-out split, as Markdown, and writes what was
    asked for.

    Raises the errors of `load_dataset`, `open_setting`, `predict` and `score`, and SinkError for
    outputs that cannot be written; most of those are refused before the work begins.
    """
    _run("coco", options, COCO_COLUMNS, say)


def run_crowdpose(options: ScoreOptions, say: Say) -> None:
    """Says CrowdPose's nine figures of a model, as `run_coco` does."""
    _run("crowdpose", options, CROWDPOSE_COLUMNS, say)


def split_name(dataset: PoseDataset) -> str:
    """How figures name what they were measured on: always as the held-out split that it is, with
    its size.
    """
    return f"held-out split {dataset.name}, {len(dataset)} images"


def _run(kind: Kind, options: ScoreOptions, columns: Mapping[str, str], say: Say) -> None:
    check_writable(options.results, options.markdown, options.store)
    with ImageStore(options.images) as images, open_setting(options) as opened:
        dataset = load_dataset(
            options.annotations, images, opened.keypoint_set, limit=options.limit
        )
        # Labels that cannot be scored are refused before the work, not after.
        if kind == "crowdpose":
            crowding_of(dataset)
        else:
            check_areas(dataset)
        started = time.perf_counter()
        with progress_bar(opened.setting.label, len(dataset)) as progress:
            results = predict(opened.estimator, opened.grouper(), dataset, progress)
        seconds = time.perf_counter() - started
    figures = (
        score(dataset, results) if kind == "coco" else score_crowdpose(dataset, results)
    ).to_json()
    row = measurement(kind, opened.setting, split_name(dataset), figures)
    earlier = read(options.store) if options.store is not None and options.store.exists() else []
    table = _table([*_latest(earlier, row), row], columns)
    # Said before anything is written, so that a full disk does not cost the minutes of work.
    say(table)
    say(
        f"{len(dataset)} images in {seconds:.1f} s, {1000 * seconds / len(dataset):.0f} ms an image"
    )
    if options.store is not None:
        append(options.store, row)
    if options.results is not None:
        write_results(options.results, results)
    if options.markdown is not None:
        with replacing(options.markdown) as temporary:
            temporary.write_text(table, encoding="utf-8")


def _table(rows: list[Measurement], columns: Mapping[str, str]) -> str:
    cells = [[*row.setting.columns, *figure_cells(row.figures, columns)] for row in rows]
    return f"{_title(rows[-1])}\n\n{markdown([*Setting.COLUMNS, *columns.values()], cells)}\n"


def _title(row: Measurement) -> str:
    what = "COCO keypoint" if row.kind == "coco" else "CrowdPose"
    return f"{what} figures on the {row.on} ({row.date}); percent, at most 20 people an image"


def _latest(rows: list[Measurement], newest: Measurement) -> list[Measurement]:
    """The last row of every other setting that was measured on the same."""
    same = {row.setting: row for row in rows if (row.kind, row.on) == (newest.kind, newest.on)}
    same.pop(newest.setting, None)
    return list(same.values())
