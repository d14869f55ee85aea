"""The command `pareto`: AP and milliseconds of many settings over one and the same images."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basics.atomic import check_writable
from basics.hardware import describe_hardware
from basics.progress import Advance, progress_bar
from configs.commands import Say
from configs.flags import option
from engine import InputSize, align, parse_input_size
from engine.model_source import find_model
from evaluation.commands.scoring import LabelConfig, split_name
from evaluation.measuring.grid import GridConfig
from evaluation.measuring.measurements import Measurement, append, measurement, read
from evaluation.measuring.prediction import Estimator, decoded, find_people, group_maps
from evaluation.measuring.processes import SettingOutcomes, measure_apart, try_each
from evaluation.measuring.setting import (
    GroupingChange,
    Opened,
    Setting,
    SettingConfig,
    open_setting,
)
from evaluation.measuring.timing import Times
from evaluation.metrics.coco import check_areas, score
from evaluation.report.pareto_front import FrontConfig, join, newest, report
from grouping import Grouper
from keypoint_datasets import ImageStore, KeypointDataset, Result, load_dataset, to_results


@dataclass(frozen=True, kw_only=True)
class ParetoConfig(GridConfig, LabelConfig, FrontConfig):
    """Flags of `pareto`."""

    store: Path | None = option(
        None,
        help="append the figures; the table then has those of earlier runs on this split here too",
        metavar="F.jsonl",
    )
    missing: bool = option(
        False,
        help="pass over what the store has from this machine: goes on where a run was broken off",
    )


@dataclass
class Measured:
    """One grouping over the whole split.

    Attributes:
        results: The people found, as COCO results.
        times_ms: Milliseconds from image to people, one per image.
    """

    results: list[Result] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)


def run_pareto(config: ParetoConfig, say: Say) -> None:
    """Says AP and milliseconds of every setting, fastest first, those on the Pareto front marked.

    What cannot run here is named and passed over.

    Raises:
        PoseStreamError: What `load_dataset` and opening a model raise if nothing can run here, and
            SinkError for outputs.
    """
    config.check()
    check_writable(config.store)
    for model in config.models:
        find_model(model)
    rows = measure_apart(functools.partial(_measure, config), config.runtimes, say)
    if config.store is not None and config.store.exists():
        rows = read(config.store)
    report(rows, join(newest(rows, "coco"), newest(rows, "speed"), config.time), config, say)


def time_people(
    estimator: Estimator,
    groupers: Mapping[Setting, Grouper],
    dataset: KeypointDataset,
    input_size: InputSize,
    progress: Advance | None = None,
) -> dict[Setting, Measured]:
    """People and milliseconds of each grouping over every image, one image at a time; the network
    runs once for all groupings.

    Time runs from the image in memory to its people in pixels of the image. The first image of
    every size of network input is run once before: runtimes prepare for a size when they first see
    it.

    Args:
        estimator: Images to maps.
        groupers: Maps to people, by setting.
        dataset: The images.
        input_size: The estimator's.
        progress: Is told of each image that is done.

    Raises:
        DataError: An image cannot be read.
        ExecutionError: The estimator failed.
    """
    measured = {setting: Measured() for setting in groupers}
    prepared: set[tuple[int, int]] = set()
    for image_id, image in decoded(dataset, ahead=0):
        size = align(image.shape[:2], input_size).input_size
        if size not in prepared:
            prepared.add(size)
            find_people(estimator.result(estimator.submit(image)), next(iter(groupers.values())))
        _time_image(estimator, groupers, measured, image, image_id, dataset.category_id)
        if progress is not None:
            progress(1)
    return measured


def _time_image(
    estimator: Estimator,
    groupers: Mapping[Setting, Grouper],
    measured: Mapping[Setting, Measured],
    image: NDArray[np.uint8],
    image_id: int,
    category_id: int,
) -> None:
    started = time.perf_counter()
    maps = estimator.result(estimator.submit(image))
    network_s = time.perf_counter() - started
    try:
        for setting, grouper in groupers.items():
            started = time.perf_counter()
            people = group_maps(maps, grouper)
            measured[setting].times_ms.append(1000 * (network_s + time.perf_counter() - started))
            measured[setting].results += to_results(
                people.keypoints, people.scores, image_id, category_id
            )
    finally:
        maps.release()


def _measure(config: ParetoConfig, runtime: str) -> SettingOutcomes:
    stored = (
        read(config.store)
        if config.missing and config.store is not None and config.store.exists()
        else []
    )
    with ImageStore(config.images) as images:
        return try_each(
            config.networks(runtime), lambda asked: _measure_one(config, asked, images, stored)
        )


def _measure_one(
    config: ParetoConfig, asked: SettingConfig, images: ImageStore, stored: Sequence[Measurement]
) -> list[Measurement]:
    with open_setting(asked) as opened:
        dataset = load_dataset(config.annotations, images, opened.keypoint_set, limit=config.limit)
        check_areas(dataset)
        on = split_name(dataset)
        groupers = dict(_groupers(opened, config.grouping))
        here = describe_hardware()
        known = {
            row.setting for row in stored if (row.kind, row.on, row.hardware) == ("speed", on, here)
        }
        if known.issuperset(groupers):
            return []
        size = parse_input_size(opened.setting.input_size)
        with progress_bar(
            f"{opened.setting.label} {opened.setting.runtime} {opened.setting.precision}",
            len(dataset),
        ) as bar:
            measured = time_people(opened.estimator, groupers, dataset, size, bar)
    rows: list[Measurement] = []
    for setting, of in measured.items():
        times = Times(np.empty(0), np.array(of.times_ms)).to_json("latency_ms")
        figures = {name: round(value, 3) for name, value in times.items()}
        rows.append(measurement("coco", setting, on, score(dataset, of.results).to_json()))
        rows.append(
            measurement("speed", setting, on, {**figures, "people": len(of.results) / len(dataset)})
        )
    if config.store is not None:
        for row in rows:
            append(config.store, row)
    return rows


def _groupers(
    opened: Opened, variants: Sequence[Sequence[GroupingChange]]
) -> Iterator[tuple[Setting, Grouper]]:
    for grouping in map(opened.variant, variants):
        yield opened.setting.with_grouping(grouping), opened.grouper(grouping)
