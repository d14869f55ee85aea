"""The command `speed`: milliseconds of the network, of grouping, and from image to people, each by
itself.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basics.atomic import check_writable
from configs import ConfigError
from configs.commands import Say
from configs.flags import option
from engine import PoseMaps
from engine.model_source import find_model
from evaluation.measuring.grid import GridConfig
from evaluation.measuring.ideal_maps import add_clutter, draw_candidates, draw_maps, scatter_people
from evaluation.measuring.measurements import Measurement, append, measurement
from evaluation.measuring.prediction import Estimator, find_people, stream
from evaluation.measuring.processes import SettingOutcomes, measure_apart, try_each
from evaluation.measuring.setting import Opened, Setting, SettingConfig, open_setting
from evaluation.measuring.timing import Times, measure
from evaluation.report.tables import markdown, milliseconds, write
from grouping import Grouper
from keypoint_datasets import ImageStore

_DECODED_AHEAD = 48  # pictures in memory at most, which take turns: 300 MB at 1080p


@dataclass(frozen=True, kw_only=True)
class SpeedConfig(GridConfig):
    """Flags of `speed`."""

    people: tuple[int, ...] = option(
        (1, 5, 20), help="people in the maps that grouping alone is timed on", metavar="N"
    )
    source: Path = option(help="clip or folder of images to time the whole way on", metavar="PATH")
    runs: int = option(100, help="pictures that count", metavar="N")
    warm_up: int = option(10, help="pictures before, timed apart", metavar="N")
    markdown: Path | None = option(None, help="write the table", metavar="table.md")
    store: Path | None = option(
        None, help="append the times; `table` brings them together with AP", metavar="F.jsonl"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least, values in (
            ("runs", 1, (self.runs,)),
            ("warm_up", 0, (self.warm_up,)),
            ("people", 0, self.people),
        ):
            if any(value < least for value in values):
                raise ConfigError(f"{name} must be at least {least}, not {min(values)}")


@dataclass(frozen=True)
class Speed:
    """Times of one setting. Nothing is drawn or written: the whole stream is timed by
    `run_stream.py`.

    Attributes:
        first_ms: The very first image to maps, for which runtimes compile and allocate.
        network: Image to maps, one at a time: alignment, copies and the runtime.
        grouping: Maps to people, by number of people.
        latency: Image to people, one at a time, decoded in advance.
        overlapped_ms: Mean time of an image with network and grouping overlapped, decoded in
            advance.
        live_ms: The same while decoding.
        people: Mean number found in an image of the source.
    """

    first_ms: float
    network: Times
    grouping: dict[int, Times]
    latency: Times
    overlapped_ms: float
    live_ms: float
    people: float

    def to_json(self) -> dict[str, float | None]:
        """Name -> milliseconds."""
        figures = {
            "first_ms": self.first_ms,
            **self.network.to_json("network_ms"),
            **self.latency.to_json("latency_ms"),
            "overlapped_ms": self.overlapped_ms,
            "live_ms": self.live_ms,
            "people": self.people,
        }
        for count, times in self.grouping.items():
            figures |= {
                f"{name}_people_{count}": value
                for name, value in times.to_json("grouping_ms").items()
            }
        return {name: round(value, 3) for name, value in figures.items()}


def run_speed(config: SpeedConfig, say: Say) -> None:
    """Says a table with one row per setting. What cannot run here is named and passed over.

    Raises:
        PoseStreamError: What opening a model raises if nothing can run here, DataError for the
            source, and SinkError for outputs.
    """
    check_writable(config.markdown, config.store)
    for model in config.models:
        find_model(model)
    with ImageStore([config.source], upright=True) as pictures:
        next(pictures.repeat(1))
    rows = measure_apart(functools.partial(_measure, config), config.runtimes, say)
    table = _table(rows, config.people)
    say(table)
    write(config.markdown, table)


def _measure(config: SpeedConfig, runtime: str) -> SettingOutcomes:
    def measure_one(asked: SettingConfig) -> list[Measurement]:
        with open_setting(asked) as opened:
            figures = time_setting(opened, config).to_json()
        row = measurement("speed", opened.setting, config.source.name, figures)
        if config.store is not None:
            append(config.store, row)
        return [row]

    return try_each(config.combinations(runtime), measure_one)


def time_setting(opened: Opened, config: SpeedConfig) -> Speed:
    """Times of an open setting on the pictures of `config.source`.

    Raises:
        DataError: There are none.
    """
    with ImageStore([config.source], upright=True) as store:
        return _time_setting(opened.estimator, opened.grouper(), store, config)


def _time_setting(
    estimator: Estimator, grouper: Grouper, store: ImageStore, config: SpeedConfig
) -> Speed:
    images = list(store.repeat(min(config.warm_up + config.runs, _DECODED_AHEAD)))
    started = time.perf_counter()
    maps = estimator.result(estimator.submit(images[0]))
    first_ms = 1000 * (time.perf_counter() - started)
    grouping = {count: _time_grouping(maps, grouper, count, config) for count in config.people}
    maps.release()
    turns = itertools.cycle(images)
    network = measure(
        lambda: _network_only(estimator, next(turns)), runs=config.runs, warm_up=config.warm_up
    )
    turns = itertools.cycle(images)
    found: list[int] = []
    latency = measure(
        lambda: found.append(
            len(find_people(estimator.result(estimator.submit(next(turns))), grouper))
        ),
        runs=config.runs,
        warm_up=config.warm_up,
    )
    decoded = itertools.islice(itertools.cycle(images), config.runs)
    return Speed(
        first_ms=first_ms,
        network=network,
        grouping=grouping,
        latency=latency,
        overlapped_ms=_overlapped(estimator, grouper, decoded),
        live_ms=_overlapped(estimator, grouper, store.repeat(config.runs)),
        people=float(np.mean(found)),
    )


def _network_only(estimator: Estimator, picture: NDArray[np.uint8]) -> None:
    estimator.result(estimator.submit(picture)).release()


def _time_grouping(maps: PoseMaps, grouper: Grouper, people: int, config: SpeedConfig) -> Times:
    """Grouping alone on drawn maps of the size that the estimator gives, with candidates if it
    gives them.
    """
    joints, *size, dimensions = maps.tags.shape
    generator = np.random.default_rng(people)
    keypoints = scatter_people(people, joints, (size[0], size[1]), generator)
    heatmaps, tags = draw_maps(keypoints, (size[0], size[1]), tag_dimensions=dimensions)
    add_clutter(heatmaps, tags, generator)
    candidates = None if maps.candidates is None else draw_candidates(keypoints, heatmaps, tags)
    return measure(
        lambda: grouper(heatmaps, tags, candidates), runs=config.runs, warm_up=config.warm_up
    )


def _overlapped(
    estimator: Estimator, grouper: Grouper, pictures: Iterable[NDArray[np.uint8]]
) -> float:
    started = time.perf_counter()
    done = sum(
        1 for _ in stream(estimator, enumerate(pictures), lambda maps: find_people(maps, grouper))
    )
    return 1000 * (time.perf_counter() - started) / done


def _table(rows: Sequence[Measurement], people: Sequence[int]) -> str:
    columns = {
        **_percentiles("network_ms", "network"),
        **{
            name: title
            for count in people
            for name, title in _percentiles(
                "grouping_ms", f"grouping, {count} people", f"_people_{count}"
            ).items()
        },
        **_percentiles("latency_ms", "image to people"),
        "overlapped_ms": "overlapped",
        "live_ms": "and decoding",
        "first_ms": "first image",
    }
    cells = [
        [*row.setting.columns, *(milliseconds(row.figures.get(name)) for name in columns)]
        for row in rows
    ]
    title = f"Milliseconds an image on {rows[0].on} ({rows[0].hardware}, {rows[0].date})"
    legend = (
        "network: image in memory to maps; grouping: drawn maps to people; image to people: both, "
        "one image at a time; "
        "overlapped: mean of a run with both at once, pictures decoded in advance; and decoding: "
        "the same while decoding. "
        "Nothing is drawn or written."
    )
    return f"{title}\n\n{markdown([*Setting.COLUMNS, *columns.values()], cells)}\n\n{legend}\n"


def _percentiles(name: str, title: str, suffix: str = "") -> dict[str, str]:
    return {
        f"{name}_p50{suffix}": f"{title} p50",
        f"{name}_p95{suffix}": "p95",
        f"{name}_p99{suffix}": "p99",
    }
