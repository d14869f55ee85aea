"""The command `speed`: milliseconds of the network, of grouping, and from image to people, each by itself."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import ConfigError, RuntimeUnavailableError
from configs.flags import option
from engine import PoseMaps
from evaluation.drawing import add_clutter, draw_candidates, draw_maps, scatter_people
from evaluation.pictures import read_pictures
from evaluation.prediction import Estimator, find_people, stream
from evaluation.results import check_writable, replacing
from evaluation.setting import Opened, Setting, SettingOptions, open_setting
from evaluation.store import Measurement, append, measurement
from evaluation.tables import markdown, milliseconds
from evaluation.timing import Times, measure
from grouping import Grouper


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """Flags of `speed`; every model is measured with every runtime at every size."""

    models: tuple[str, ...] = option(("lite",), help="presets, exported .onnx, or checkpoints", metavar="NAME|PATH")
    runtimes: tuple[str, ...] = option(("auto",), help="runtimes; one that is missing is named and passed over", metavar="NAME")
    sizes: tuple[str, ...] = option((), help="input sizes (default: each model's own)", metavar="PX")
    people: tuple[int, ...] = option((1, 5, 20), help="people in the maps that grouping alone is timed on", metavar="N")
    source: Path = option(help="clip or folder of images to time the whole way on", metavar="PATH")
    precision: str = option("auto", help="auto, fp32, fp16, bf16 or int8, as the runtime has it", metavar="NAME")
    flip: bool = option(False, help="flip test: average with the mirrored image")
    scales: tuple[float, ...] = option((1.0,), help="scales of a multi-scale test", metavar="SCALE")
    grouping: tuple[str, ...] = option((), help="grouping parameters, such as refine=false", metavar="KEY=VALUE")
    runs: int = option(50, help="pictures that count", metavar="N")
    warm_up: int = option(10, help="pictures before, timed apart", metavar="N")
    markdown: Path | None = option(None, help="write the table", metavar="table.md")
    store: Path | None = option(None, help="append the times; `table` brings them together with AP", metavar="F.jsonl")

    def __post_init__(self) -> None:
        if self.runs < 1 or self.warm_up < 0 or any(count < 0 for count in self.people):
            raise ConfigError("runs must be at least 1, warm_up and people at least 0")


@dataclass(frozen=True)
class Speed:
    """Times of one setting.

    network: image to maps, one at a time: alignment, copies and the runtime. grouping: maps to people, by number of people.
    latency: image to people, one at a time, pictures decoded in advance. overlapped_ms: mean milliseconds an image with network
    and grouping overlapped, decoded in advance; live_ms: the same while decoding. people: mean number found in the source.
    """

    network: Times
    grouping: dict[int, Times]
    latency: Times
    overlapped_ms: float
    live_ms: float
    people: float

    def to_json(self) -> dict[str, float | None]:
        """Name -> milliseconds."""
        figures: dict[str, float | None] = {
            "network_ms_mean": self.network.mean_ms,
            "network_ms_p50": self.network.percentile_ms(50),
            "network_ms_p95": self.network.percentile_ms(95),
            "network_ms_first": float(self.network.warm_up_ms[0]) if len(self.network.warm_up_ms) else None,
            "latency_ms_mean": self.latency.mean_ms,
            "latency_ms_p50": self.latency.percentile_ms(50),
            "latency_ms_p95": self.latency.percentile_ms(95),
            "latency_ms_p99": self.latency.percentile_ms(99),
            "overlapped_ms": self.overlapped_ms,
            "live_ms": self.live_ms,
            "people": self.people,
            **{f"grouping_ms_p50_people_{count}": times.percentile_ms(50) for count, times in self.grouping.items()},
        }
        return {name: None if value is None else round(value, 3) for name, value in figures.items()}


def run_speed(options: SpeedOptions, say: Callable[[str], None]) -> None:
    """Says a table with one row a setting. Raises ConfigError, DataError, SinkError, or what opening a model raises.

    A runtime that is not installed is named and passed over; RuntimeUnavailableError only if none of them is there.
    """
    check_writable(options.markdown, options.store)
    rows: list[Measurement] = []
    refusals: list[RuntimeUnavailableError] = []
    for model, runtime, size in itertools.product(options.models, options.runtimes, options.sizes or (None,)):
        asked = SettingOptions(
            model=model,
            runtime=runtime,
            precision=options.precision,
            input_size=size,
            flip=options.flip,
            scales=options.scales,
            grouping=options.grouping,
        )
        try:
            with open_setting(asked) as opened:
                speed = time_setting(opened, options)
        except RuntimeUnavailableError as error:
            refusals.append(error)
            say(f"not measured: {model} with {runtime}: {error}")
            continue
        rows.append(measurement("speed", opened.setting, options.source.name, speed.to_json()))
        if options.store is not None:
            append(options.store, rows[-1])
    if not rows:
        raise refusals[0]
    table = _table(rows, options.people)
    say(table)
    if options.markdown is not None:
        with replacing(options.markdown) as temporary:
            temporary.write_text(table, encoding="utf-8")


def time_setting(opened: Opened, options: SpeedOptions) -> Speed:
    """Times of an open setting on the pictures of `options.source`. Raises DataError if there are none."""
    estimator, grouper = opened.estimator, opened.grouper()
    pictures = list(read_pictures(options.source, options.warm_up + options.runs))
    maps = estimator.result(estimator.submit(pictures[0]))
    grouping = {count: _time_grouping(maps, grouper, count, options) for count in options.people}
    maps.release()
    turns = itertools.cycle(pictures)
    network = measure(lambda: _network_only(estimator, next(turns)), runs=options.runs, warm_up=options.warm_up)
    turns = itertools.cycle(pictures)
    found: list[int] = []
    latency = measure(
        lambda: found.append(len(find_people(estimator.result(estimator.submit(next(turns))), grouper))),
        runs=options.runs,
        warm_up=options.warm_up,
    )
    return Speed(
        network=network,
        grouping=grouping,
        latency=latency,
        overlapped_ms=_overlapped(estimator, grouper, pictures[options.warm_up :]),
        live_ms=_overlapped(estimator, grouper, read_pictures(options.source, options.runs)),
        people=float(np.mean(found)),
    )


def _network_only(estimator: Estimator, picture: NDArray[np.uint8]) -> None:
    estimator.result(estimator.submit(picture)).release()


def _time_grouping(maps: PoseMaps, grouper: Grouper, people: int, options: SpeedOptions) -> Times:
    """Grouping alone on drawn maps of the size that the estimator gives, with candidates if it gives them."""
    joints, *size, dimensions = maps.tags.shape
    generator = np.random.default_rng(people)
    keypoints = scatter_people(people, joints, (size[0], size[1]), generator)
    heatmaps, tags = draw_maps(keypoints, (size[0], size[1]), tag_dimensions=dimensions)
    add_clutter(heatmaps, tags, generator)
    candidates = None if maps.candidates is None else draw_candidates(keypoints, heatmaps, tags)
    return measure(lambda: grouper(heatmaps, tags, candidates), runs=options.runs, warm_up=options.warm_up)


def _overlapped(estimator: Estimator, grouper: Grouper, pictures: Iterable[NDArray[np.uint8]]) -> float:
    started = time.perf_counter()
    done = sum(1 for _ in stream(estimator, enumerate(pictures), lambda maps: find_people(maps, grouper)))
    return 1000 * (time.perf_counter() - started) / done


def _table(rows: Sequence[Measurement], people: Sequence[int]) -> str:
    columns = {
        "network_ms_p50": "network p50",
        "network_ms_p95": "p95",
        **{f"grouping_ms_p50_people_{count}": f"grouping, {count} people" for count in people},
        "latency_ms_p50": "image to people p50",
        "latency_ms_p95": "p95",
        "overlapped_ms": "overlapped",
        "live_ms": "and decoding",
        "network_ms_first": "first run",
    }
    cells = [
        [*row.setting.columns, *(milliseconds(row.figures.get(name)) for name in columns)] for row in rows
    ]
    title = f"Milliseconds an image on {rows[0].on} ({rows[0].hardware}, {rows[0].date})"
    return f"{title}\n\n{markdown([*Setting.COLUMNS, *columns.values()], cells)}\n"
