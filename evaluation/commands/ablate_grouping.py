"""The command `ablate-grouping`: what each grouping parameter does to AP, over one and the same
maps.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from configs import ConfigError
from configs.flags import option
from evaluation.commands.coco import LabelOptions, split_name
from evaluation.dataset import PoseDataset, load_dataset
from evaluation.images import ImageStore
from evaluation.measuring.measurements import append, measurement
from evaluation.measuring.prediction import Estimator, Maps, Progress, decoded, group_maps, stream
from evaluation.measuring.setting import Opened, SettingOptions, open_setting, parse_grouping
from evaluation.metrics.coco import CocoFigures, score
from evaluation.progress import progress_bar
from evaluation.report.tables import COCO_COLUMNS, figure_cells, markdown, milliseconds
from evaluation.results import Result, check_writable, replacing, to_results
from grouping import Grouper

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


@dataclass(frozen=True, kw_only=True)
class AblationOptions(SettingOptions, LabelOptions):
    """Flags of `ablate-grouping`; `grouping` is what the variants start from."""

    variants: tuple[str, ...] = option(
        VARIANTS,
        help="one row each; several parameters of one row are joined by a comma",
        metavar="KEY=VALUE[,...]",
    )
    map_strides: tuple[int, ...] = option(
        (),
        help="also the default grouping of maps at these strides, 1 and 2; needs --weights",
        metavar="PX",
    )
    markdown: Path | None = option(None, help="write the table", metavar="table.md")
    store: Path | None = option(None, help="append the figures", metavar="F.jsonl")


@dataclass
class Variant:
    """One grouping over the whole split: its people as COCO results and the milliseconds that each
    image took.
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
    dataset: PoseDataset,
    progress: Progress | None = None,
) -> dict[str, Variant]:
    """What each grouper makes of the maps of every image; the network runs once an image. Raises
    what `predict` raises.
    """
    variants = {name: Variant() for name in groupers}

    def group(maps: Maps) -> list[tuple[Variant, list[Result]]]:
        found = []
        try:
            for name, grouper in groupers.items():
                started = time.perf_counter()
                people = group_maps(maps, grouper)
                variants[name].times_ms.append(1000 * (time.perf_counter() - started))
                found.append((variants[name], to_results(people, 0, dataset.category_id)))
        finally:
            maps.release()
        return found

    for image_id, found in stream(estimator, decoded(dataset), group):
        for variant, results in found:
            variant.results += [{**result, "image_id": image_id} for result in results]
        if progress is not None:
            progress(1)
    return variants


def run_ablation(options: AblationOptions, say: Callable[[str], None]) -> None:
    """Says one row a variant. Raises what `evaluation.commands.coco.run_coco` raises."""
    check_writable(options.markdown, options.store)
    configs = {
        entry: parse_grouping([*options.grouping, *entry.split(",")]) for entry in options.variants
    }
    with ImageStore(options.images) as images, open_setting(options) as opened:
        dataset = load_dataset(
            options.annotations, images, opened.keypoint_set, limit=options.limit
        )
        groupers = {
            "": opened.grouper(),
            **{name: opened.grouper(config) for name, config in configs.items()},
        }
        with progress_bar(
            opened.setting.label, len(dataset) * (1 + len(options.map_strides))
        ) as progress:
            variants = compare_groupings(opened.estimator, groupers, dataset, progress)
            for stride in options.map_strides:
                with _at_stride(options, stride) as strided:
                    only = {f"map stride {stride}": strided.grouper()}
                    variants |= compare_groupings(strided.estimator, only, dataset, progress)
    figures = {name: score(dataset, variant.results) for name, variant in variants.items()}
    table = _table(
        f"{opened.setting.label} ({opened.setting.runtime}), {split_name(dataset)}",
        figures,
        variants,
    )
    say(table)
    if options.store is not None:
        for name, config in configs.items():
            setting = opened.setting.with_grouping(config)
            append(
                options.store,
                measurement("coco", setting, split_name(dataset), figures[name].to_json()),
            )
    if options.markdown is not None:
        with replacing(options.markdown) as temporary:
            temporary.write_text(table, encoding="utf-8")


@contextlib.contextmanager
def _at_stride(options: AblationOptions, stride: int) -> Iterator[Opened]:
    """The checkpoint exported with maps at `stride`, open."""
    from engine import load_checkpoint, load_network
    from engine.onnx.export import export_onnx

    if options.weights is None:
        raise ConfigError("--map-strides needs --weights: an exported model has its stride already")
    network = load_network(options.model)
    load_checkpoint(network, options.weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "strided.onnx"
        export_onnx(network, path, map_stride=stride)
        with open_setting(replace(options, model=str(path), weights=None)) as opened:
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
