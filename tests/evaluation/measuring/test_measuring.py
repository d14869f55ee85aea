"""Times, stored measurements, tables, and which settings are on the Pareto front."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs import ConfigError, DataError, ExecutionError, GroupingConfig, SinkError
from configs.loading import from_mapping
from engine.runtimes import RUNTIMES
from evaluation.commands.table import TableConfig, run_table
from evaluation.measuring import measurements
from evaluation.measuring.grid import GridConfig
from evaluation.measuring.ideal_maps import draw_candidates, draw_maps, scatter_people
from evaluation.measuring.measurements import Measurement
from evaluation.measuring.processes import SettingOutcomes, measure_apart, try_each
from evaluation.measuring.setting import Setting, SettingConfig, changed, group_with, parse_change
from evaluation.measuring.timing import Times, measure
from evaluation.report.pareto_front import join, newest
from evaluation.report.plot import Point, label_points
from evaluation.report.tables import markdown
from grouping import Grouper


def setting(model: str = "lite", runtime: str = "openvino", **values: object) -> Setting:
    return Setting(
        **{"model": model, "runtime": runtime, "precision": "fp32", "input_size": "384", **values}
    )  # type: ignore[arg-type]


def row(
    kind: str, of: Setting, on: str = "held-out split dev, 400 images", **figures: float
) -> Measurement:
    return Measurement(
        kind=kind, setting=of, on=on, figures=dict(figures), hardware="here", date="2026-01-01"
    )  # type: ignore[arg-type]


def test_warm_up_is_counted_apart_and_percentiles_are_numpys() -> None:
    calls: list[int] = []
    times = measure(lambda: calls.append(1), runs=7, warm_up=3)
    assert (len(calls), len(times.runs_ms), len(times.warm_up_ms)) == (10, 7, 3)
    known = Times(np.array([1000.0]), np.array([4.0, 1.0, 3.0, 2.0]))
    assert known.statistics.mean == 2.5
    assert known.statistics.p50 == 2.5
    assert known.statistics.p95 == np.percentile([1, 2, 3, 4], 95)
    assert known.to_json("x")["x_p99"] == np.percentile([1, 2, 3, 4], 99)


def test_measurements_are_read_back_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    rows = [
        measurements.measurement(
            "coco",
            setting(flip=True, scales=(0.5, 1.0)),
            "held-out split x, 1 images",
            {"ap": 0.5, "ar": None},
        ),
        measurements.measurement(
            "speed", setting(grouping=("refine=false",)), "clip.mp4", {"latency_ms_p50": 12.5}
        ),
    ]
    for each in rows:
        measurements.append(path, each)
    assert measurements.read(path) == rows


def test_a_line_that_is_no_measurement_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    measurements.append(path, row("coco", setting(), ap=0.1))
    path.write_text(
        path.read_text() + json.dumps({"kind": "coco", "setting": {"modl": "lite"}}) + "\n"
    )
    with pytest.raises(DataError, match="line 2 is no measurement"):
        measurements.read(path)
    with pytest.raises(DataError, match="cannot read measurements"):
        measurements.read(tmp_path / "gone.jsonl")
    with pytest.raises(SinkError, match="cannot write"):
        measurements.append(tmp_path / "no" / "folder.jsonl", row("coco", setting()))


def test_the_front_has_what_nothing_beats() -> None:
    # slow and good, fast and bad, slow and bad (beaten by both), and one that equals the first in
    # time but is worse
    good, fast, bad, worse = setting("good"), setting("fast"), setting("bad"), setting("worse")
    accuracy = {
        of: row("coco", of, ap=ap)
        for of, ap in ((good, 0.7), (fast, 0.3), (bad, 0.2), (worse, 0.6))
    }
    times = {
        of: row("speed", of, latency_ms_p50=ms)
        for of, ms in ((good, 100.0), (fast, 10.0), (bad, 120.0), (worse, 100.0))
    }
    points = join(accuracy, times, "latency_ms_p50")
    assert [(point.setting.model, point.best) for point in points] == [
        ("fast", True), ("good", True), ("worse", False), ("bad", False),
    ]  # fmt: skip


def test_ap_stands_for_another_runtime_at_the_same_precision_only() -> None:
    accuracy = {setting(): row("coco", setting(), ap=0.5)}
    other = setting(runtime="onnxruntime")
    half = Setting(model="lite", runtime="torch", precision="fp16", input_size="384")
    times = {
        of: row("speed", of, latency_ms_p50=10.0)
        for of in (other, half, setting(flip=True), setting(map_stride=1))
    }
    assert [point.setting for point in join(accuracy, times, "latency_ms_p50")] == [other]


def test_two_checkpoints_of_one_name_are_not_mixed_up() -> None:
    first, second = setting(weights="aaaaaaaa"), setting(weights="bbbbbbbb")
    accuracy = {of: row("coco", of, ap=ap) for of, ap in ((first, 0.3), (second, 0.5))}
    times = {of: row("speed", of, latency_ms_p50=ms) for of, ms in ((first, 10.0), (second, 12.0))}
    assert [point.ap for point in join(accuracy, times, "latency_ms_p50")] == [0.3, 0.5]
    assert join({first: accuracy[first]}, {second: times[second]}, "latency_ms_p50") == []


def test_the_newest_row_counts_and_splits_are_not_mixed() -> None:
    old, new = row("coco", setting(), ap=0.1), row("coco", setting(), ap=0.2)
    elsewhere = row("coco", setting(flip=True), "another split")
    assert newest([elsewhere, old, new], "coco") == {setting(): new}
    slow = Measurement(
        kind="speed",
        setting=setting(flip=True),
        on="clip",
        figures={},
        hardware="a Jetson",
        date="2026-01-01",
    )
    here = row("speed", setting(), on="clip")
    assert newest([slow, here], "speed") == {setting(): here}


def test_torch_on_the_cpu_and_on_a_gpu_are_two_rows() -> None:
    names = [RUNTIMES[name].runtime_class().name for name in ("torch_cpu", "torch_cuda")]
    rows = [row("speed", setting(runtime=name), on="clip") for name in names]
    assert list(newest(rows, "speed").values()) == rows


def test_the_table_and_the_plot_are_made_from_stored_rows(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    for of, ap, ms in (
        (setting(), 0.3, 20.0),
        (setting(flip=True), 0.35, 40.0),
        (setting("w32"), 0.3, 200.0),
    ):
        measurements.append(path, row("coco", of, ap=ap))
        measurements.append(path, row("speed", of, on="clip.mp4", latency_ms_p50=ms))
    said: list[str] = []
    run_table(
        TableConfig(store=(path,), plot=tmp_path / "p.png", markdown=tmp_path / "t.md"),
        said.append,
    )
    assert said[0] == (tmp_path / "t.md").read_text()
    rows = [line for line in said[0].splitlines() if line.startswith("| ") and "384" in line]
    assert [row.endswith("| best   |") for row in rows] == [True, True, False]
    picture = cv2.imread(str(tmp_path / "p.png"))
    assert picture is not None
    assert picture.std() > 5
    with pytest.raises(DataError, match=r"the suffix must be one of .*png"):
        run_table(TableConfig(store=(path,), plot=tmp_path / "p.docx"), said.append)


def test_no_label_of_the_plot_lies_on_another() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    generator = np.random.default_rng(0)
    points = [
        Point(setting(input_size=str(size)), ap, ms, best=index % 3 == 0)
        for index, (size, ap, ms) in enumerate(
            zip(
                range(256, 256 + 32 * 40, 32),
                generator.normal(0.3, 0.01, 40),
                generator.normal(30, 2, 40),
                strict=True,
            )
        )
    ]
    axes.plot([point.time_ms for point in points], [100 * point.ap for point in points], "o")
    texts = label_points(axes, points)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in texts]
    assert len(texts) >= 35
    assert {point.setting.input_size for point in points if point.best} <= {
        text.get_text() for text in texts
    }
    assert not any(
        box.overlaps(other) for index, box in enumerate(boxes) for other in boxes[:index]
    )


def test_every_combination_of_the_axes_is_measured_once() -> None:
    options = GridConfig(
        sizes=(256, (320, 448)),
        precisions=("fp32", "bf16"),
        flip=("off", "on"),
        scales=((1.0,), (0.5, 1.0, 2.0)),
    )
    networks = list(options.networks("openvino"))
    settings = [network.setting() for network in networks]
    assert len(settings) == len(set(settings)) == 16
    assert settings[-1] == SettingConfig(
        runtime="openvino",
        input_size=(320, 448),
        precision="bf16",
        flip=True,
        scales=(0.5, 1.0, 2.0),
    )
    assert str(networks[-1]) == "lite 448x320 openvino bf16 flip scales 0.5,1,2"
    config = from_mapping(
        GridConfig, {"grouping": ["default", "refine=false,adjust=false"]}, "command line"
    )
    grouped = [combination.setting() for combination in config.combinations("auto")]
    assert [of.grouping for of in grouped] == [(), (("refine", False), ("adjust", False))]
    assert str(list(config.combinations("auto"))[1]) == "lite auto auto refine=false adjust=false"


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ({"runtimes": ("openvino", "tensort")}, "did you mean 'tensorrt'"),
        ({"precisions": ("fp61",)}, "did you mean 'fp16'"),
        ({"sizes": ("384", "big")}, "big"),
        ({"scales": ("1", "1;2")}, "joined by commas"),
        ({"grouping": ("default", "refin=false")}, "did you mean 'refine'"),
    ],
)
def test_a_typing_error_in_an_axis_is_told_before_anything_is_measured(
    axis: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(GridConfig, axis, "command line")


def test_what_cannot_run_here_is_named_and_the_rest_is_measured() -> None:
    def work(runtime: str) -> SettingOutcomes:
        def measure_one(asked: SettingConfig) -> list[Measurement]:
            if asked.input_size == 320:
                raise ExecutionError("out of memory")
            return [row("speed", setting(runtime=runtime))]

        return try_each(GridConfig(sizes=sizes).networks(runtime), measure_one)

    said: list[str] = []
    sizes: tuple[int, ...] = (256, 320, 384)
    assert len(measure_apart(work, ["openvino"], said.append)) == 2
    assert said == ["not measured: lite 320 openvino auto: out of memory"]
    sizes = (320,)
    with pytest.raises(ExecutionError, match="out of memory"):
        measure_apart(work, ["openvino"], said.append)


def _die_unless_alone(runtime: str) -> SettingOutcomes:
    if runtime == "tensorrt":
        os._exit(9)
    return SettingOutcomes([row("speed", setting(runtime=runtime))], able=1)


def test_runtimes_get_processes_of_their_own_and_one_that_dies_costs_the_others_nothing() -> None:
    said: list[str] = []
    rows = measure_apart(_die_unless_alone, ["tensorrt", "openvino"], said.append)
    assert [of.setting.runtime for of in rows] == ["openvino"]
    assert "tensorrt: its process ended without a word" in said[0]


def test_nothing_in_common_says_what_to_run(tmp_path: Path) -> None:
    measurements.append(tmp_path / "m.jsonl", row("coco", setting(), ap=0.3))
    with pytest.raises(DataError, match="1 with AP, 0 with times"):
        run_table(TableConfig(store=(tmp_path / "m.jsonl",)), print)


def test_grouping_parameters_are_parsed_and_named() -> None:
    def parse_grouping(entries: Sequence[str]) -> GroupingConfig:
        return group_with(parse_change(entry, "--grouping") for entry in entries)

    config = parse_grouping(["refine=false", "duplicate_distance_px=4"])
    assert config == GroupingConfig(refine=False, duplicate_distance_px=4.0)
    assert changed(config) == ("refine=false", "duplicate_distance_px=4.0")
    assert changed(parse_grouping(changed(config))) == changed(config)
    with pytest.raises(ConfigError, match="did you mean 'refine'"):
        parse_grouping(["refin=false"])
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        parse_grouping(["refine"])


def test_a_table_escapes_what_would_end_a_cell() -> None:
    assert markdown(["a", "b"], [["x|y", "1"]]).splitlines() == [
        "| a    | b |",
        "| ---- | - |",
        "| x\\|y | 1 |",
    ]


@pytest.mark.parametrize("people", [0, 1, 6, 40])
def test_drawn_candidates_group_as_the_drawn_maps_do(people: int) -> None:
    keypoints = scatter_people(people, 17, (160, 208), np.random.default_rng(people))
    heatmaps, tags = draw_maps(keypoints, (160, 208), tag_dimensions=2)
    grouper = Grouper("coco")
    from_maps, from_candidates = (
        grouper(heatmaps, tags),
        grouper(heatmaps, tags, draw_candidates(keypoints, heatmaps, tags)),
    )
    assert abs(len(from_maps) - len(from_candidates)) <= people // 10
    if people <= 6:
        assert len(from_maps) == people
