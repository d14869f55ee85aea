"""The command `ablate-grouping`: what each grouping parameter does to AP, over one and the same
maps.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from basics.atomic import check_writable
from basics.progress import Advance, progress_bar
from configs import ConfigError, load_model_config
from configs.commands import Say
from configs.flags import option
from engine import PoseMaps
from engine.model_source import find_weights, load_weights
from evaluation.commands.scoring import LabelConfig, split_name
from evaluation.measuring.measurements import append, measurement
from evaluation.measuring.prediction import Estimator, decoded, group_maps, stream
from evaluation.measuring.setting import (
    GroupingChange,
    Opened,
    SettingConfig,
    open_setting,
    parse_changes,
)
from evaluation.metrics.coco import CocoFigures, score
from evaluation.report.tables import COCO_COLUMNS, figure_cells, markdown, milliseconds, write
from grouping import Grouper
from keypoint_datasets import ImageStore, KeypointDataset, Result, load_dataset, to_results

# Every parameter that changes results, in the steps that are worth a look; pixels are map pixels.
VARIANTS = (
    "refine=false",
    "refine_floor=0.02",
    "refine_floor=0.05",
    "refine_floor=0.1",
    "min_person_score=0.02",
    "min_person_score=0.05",
    "min_person_score=0.1",
    "duplicate_distance_px=2",
    "duplicate_distance_px=4",
    "duplicate_distance_px=8",
    "reweight_by_distance=true",
    "adjust=false",
    "detection_threshold=0.05",
    "detection_threshold=0.2",
    "tag_threshold=0.5",
    "tag_threshold=2",
)


class NamedChanges(NamedTuple):
    """A row of the table: how it was written, and what it changes."""

    name: str
    changes: tuple[GroupingChange, ...]


def _parse_variant(text: str, name: str) -> NamedChanges:
    return NamedChanges(text, parse_changes(text, name))


@dataclass(frozen=True, kw_only=True)
class AblationConfig(SettingConfig, LabelConfig):
    """Flags of `ablate-grouping`; `grouping` is what the variants start from."""

    variants: tuple[NamedChanges, ...] = option(
        tuple(_parse_variant(text, "variants") for text in VARIANTS),
        help="one row each; several parameters of one row are joined by a comma",
        metavar="KEY=VALUE[,...]",
        parse=_parse_variant,
        show=lambda variant: variant.name,
    )
    map_strides: tuple[int, ...] = option(
        (),
        help="also the default grouping of maps at these strides, 1 and 2; needs a preset",
        metavar="PX",
    )
    markdown: Path | None = option(None, help="write the table", metavar="table.md")
    store: Path | None = option(None, help="append the figures", metavar="F.jsonl")


@dataclass
class Variant:
    """One grouping over the whole split.

    Attributes:
        results: The people found, as COCO results.
        times_ms: Milliseconds of grouping, one per image.
    """

    results: list[Result] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    @property
    def mean_ms(self) -> float:
        """Mean over images."""
        return sum(self.times_ms) / max(len(self.times_ms), 1)


def compare_groupings(
    estimator: Estimator,
    groupers: Mapping[str, Grouper],
    dataset: KeypointDataset,
    progress: Advance | None = None,
) -> dict[str, Variant]:
    """What several groupers make of the maps of every image; the network runs once per image.

    Args:
        estimator: Images to maps.
        groupers: Maps to people, by name.
        dataset: The images.
        progress: Is told of each image that is done.

    Raises:
        PoseStreamError: What `predict` raises.
    """
    variants = {name: Variant() for name in groupers}

    def group(maps: PoseMaps) -> list[tuple[Variant, list[Result]]]:
        found = []
        try:
            for name, grouper in groupers.items():
                started = time.perf_counter()
                people = group_maps(maps, grouper)
                variants[name].times_ms.append(1000 * (time.perf_counter() - started))
                found.append(
                    (
                        variants[name],
                        to_results(people.keypoints, people.scores, 0, dataset.category_id),
                    )
                )
        finally:
            maps.release()
        return found

    for image_id, found in stream(estimator, decoded(dataset), group):
        for variant, results in found:
            variant.results += [{**result, "image_id": image_id} for result in results]
        if progress is not None:
            progress(1)
    return variants


def run_ablation(config: AblationConfig, say: Say) -> None:
    """Says one row per variant.

    Raises:
        PoseStreamError: What `run_score` of `coco` raises.
    """
    check_writable(config.markdown, config.store)
    if config.map_strides and Path(config.model).suffix.lower() == ".onnx":
        raise ConfigError("--map-strides needs a preset: an exported model has its stride already")
    with ImageStore(config.images) as images, open_setting(config) as opened:
        dataset = load_dataset(config.annotations, images, opened.keypoint_set, limit=config.limit)
        groupings = {variant.name: opened.variant(variant.changes) for variant in config.variants}
        groupers = {
            "": opened.grouper(),
            **{name: opened.grouper(grouping) for name, grouping in groupings.items()},
        }
        with progress_bar(
            opened.setting.label, len(dataset) * (1 + len(config.map_strides))
        ) as progress:
            variants = compare_groupings(opened.estimator, groupers, dataset, progress)
            for stride in config.map_strides:
                with _at_stride(config, stride) as strided:
                    only = {f"map stride {stride}": strided.grouper()}
                    variants |= compare_groupings(strided.estimator, only, dataset, progress)
    figures = {name: score(dataset, variant.results) for name, variant in variants.items()}
    table = _table(
        f"{opened.setting.label} ({opened.setting.runtime}), {split_name(dataset)}",
        figures,
        variants,
    )
    say(table)
    if config.store is not None:
        for name, grouping in groupings.items():
            setting = opened.setting.with_grouping(grouping)
            append(
                config.store,
                measurement("coco", setting, split_name(dataset), figures[name].to_json()),
            )
    write(config.markdown, table)


@contextlib.contextmanager
def _at_stride(config: AblationConfig, stride: int) -> Iterator[Opened]:
    """The preset exported with maps at `stride`, open."""
    from engine.onnx.export import export_onnx

    model = load_model_config(config.model)
    weights = config.weights or find_weights(model, offline=config.offline)
    network = load_weights(model, Path(weights))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "strided.onnx"
        export_onnx(network, path, map_stride=stride)
        with open_setting(replace(config, model=str(path), weights=None)) as opened:
            yield opened


def _table(title: str, figures: Mapping[str, CocoFigures], variants: Mapping[str, Variant]) -> str:
    columns = {name: COCO_COLUMNS[name] for name in ("ap", "ap50", "ap_medium", "ap_large", "ar")}
    rows: list[Sequence[str]] = []
    for name, figure in figures.items():
        gain = 100 * (figure.ap - figures[""].ap)
        rows.append(
            [
                name or "as it is",
                *figure_cells(figure.to_json(), columns),
                f"{gain:+.2f}" if name else "",
                str(len(variants[name].results)),
                milliseconds(variants[name].mean_ms),
            ]
        )
    header = ["grouping", *columns.values(), "AP change", "people found", "grouping ms"]
    return f"{title}; percent\n\n{markdown(header, rows)}\n"
