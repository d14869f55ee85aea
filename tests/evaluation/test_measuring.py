"""Times, stored measurements, tables, and which settings are on the Pareto front."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs import ConfigError, DataError, GroupingConfig, SinkError
from evaluation import store
from evaluation.drawing import draw_candidates, draw_maps, scatter_people
from evaluation.pareto import ParetoOptions, join, mark_best, newest, run_pareto
from evaluation.pictures import read_pictures
from evaluation.setting import Setting, changed, parse_grouping
from evaluation.store import Measurement
from evaluation.tables import markdown
from evaluation.timing import Times, measure
from grouping import Grouper


def setting(model: str = "lite", runtime: str = "openvino", **values: object) -> Setting:
    return Setting(model=model, runtime=runtime, precision="fp32", input_size="384", **values)  # type: ignore[arg-type]


def row(kind: str, of: Setting, on: str = "held-out split dev, 400 images", **figures: float) -> Measurement:
    return Measurement(kind=kind, setting=of, on=on, figures=dict(figures), hardware="here", date="2026-01-01")  # type: ignore[arg-type]


def test_warm_up_is_counted_apart_and_percentiles_are_numpys() -> None:
    calls: list[int] = []
    times = measure(lambda: calls.append(1), runs=7, warm_up=3)
    assert (len(calls), len(times.runs_ms), len(times.warm_up_ms)) == (10, 7, 3)
    known = Times(np.array([1000.0]), np.array([4.0, 1.0, 3.0, 2.0]))
    assert known.mean_ms == 2.5
    assert known.percentile_ms(50) == 2.5
    assert known.percentile_ms(95) == np.percentile([1, 2, 3, 4], 95)


def test_measurements_are_read_back_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    rows = [
        store.measurement("coco", setting(flip=True, scales=(0.5, 1.0)), "held-out split x, 1 images", {"ap": 0.5, "ar": None}),
        store.measurement("speed", setting(grouping=("refine=false",)), "clip.mp4", {"latency_ms_p50": 12.5}),
    ]
    for each in rows:
        store.append(path, each)
    assert store.read(path) == rows


def test_a_line_that_is_no_measurement_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    store.append(path, row("coco", setting(), ap=0.1))
    path.write_text(path.read_text() + json.dumps({"kind": "coco", "setting": {"modl": "lite"}}) + "\n")
    with pytest.raises(DataError, match="line 2 is no measurement"):
        store.read(path)
    with pytest.raises(DataError, match="cannot read measurements"):
        store.read(tmp_path / "gone.jsonl")
    with pytest.raises(SinkError, match="cannot write"):
        store.append(tmp_path / "no" / "folder.jsonl", row("coco", setting()))


def test_the_front_has_what_nothing_beats() -> None:
    # slow and good, fast and bad, slow and bad (beaten by both), and one that equals the first in time but is worse
    good, fast, bad, worse = setting("good"), setting("fast"), setting("bad"), setting("worse")
    accuracy = {of: row("coco", of, ap=ap) for of, ap in ((good, 0.7), (fast, 0.3), (bad, 0.2), (worse, 0.6))}
    times = {of: row("speed", of, latency_ms_p50=ms) for of, ms in ((good, 100.0), (fast, 10.0), (bad, 120.0), (worse, 100.0))}
    points = mark_best(join(accuracy, times, "latency_ms_p50"))
    assert [(point.setting.model, point.best) for point in points] == [
        ("fast", True), ("good", True), ("worse", False), ("bad", False),
    ]  # fmt: skip


def test_ap_stands_for_another_runtime_at_the_same_precision_only() -> None:
    accuracy = {setting(): row("coco", setting(), ap=0.5)}
    other = setting(runtime="onnxruntime")
    half = Setting(model="lite", runtime="torch", precision="fp16", input_size="384")
    times = {of: row("speed", of, latency_ms_p50=10.0) for of in (other, half, setting(flip=True))}
    assert [point.setting for point in join(accuracy, times, "latency_ms_p50")] == [other]


def test_the_newest_row_counts_and_splits_are_not_mixed() -> None:
    old, new = row("coco", setting(), ap=0.1), row("coco", setting(), ap=0.2)
    elsewhere = row("coco", setting(flip=True), "another split")
    assert newest([elsewhere, old, new], "coco") == {setting(): new}


def test_the_table_and_the_plot_are_made_from_stored_rows(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    for of, ap, ms in ((setting(), 0.3, 20.0), (setting(flip=True), 0.35, 40.0), (setting("w32"), 0.3, 200.0)):
        store.append(path, row("coco", of, ap=ap))
        store.append(path, row("speed", of, on="clip.mp4", latency_ms_p50=ms))
    said: list[str] = []
    run_pareto(ParetoOptions(store=(path,), plot=tmp_path / "p.png", markdown=tmp_path / "t.md"), said.append)
    assert said[0] == (tmp_path / "t.md").read_text()
    assert [line.endswith("| best   |") for line in said[0].splitlines() if line.startswith("| ") and "384" in line] == [
        True, True, False,
    ]  # fmt: skip
    picture = cv2.imread(str(tmp_path / "p.png"))
    assert picture is not None
    assert picture.std() > 5
    with pytest.raises(DataError, match=r"the suffix must be one of .*png"):
        run_pareto(ParetoOptions(store=(path,), plot=tmp_path / "p.docx"), said.append)


def test_nothing_in_common_says_what_to_run(tmp_path: Path) -> None:
    store.append(tmp_path / "m.jsonl", row("coco", setting(), ap=0.3))
    with pytest.raises(DataError, match="1 with AP, 0 with times"):
        run_pareto(ParetoOptions(store=(tmp_path / "m.jsonl",)), print)


def test_grouping_parameters_are_parsed_and_named() -> None:
    config = parse_grouping(["refine=false", "duplicate_distance_px=4"])
    assert config == GroupingConfig(refine=False, duplicate_distance_px=4.0)
    assert changed(config) == ("refine=false", "duplicate_distance_px=4.0")
    assert changed(parse_grouping(changed(config))) == changed(config)
    with pytest.raises(ConfigError, match="did you mean 'refine'"):
        parse_grouping(["refin=false"])
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        parse_grouping(["refine"])


def test_a_table_escapes_what_would_end_a_cell() -> None:
    assert markdown(["a", "b"], [["x|y", "1"]]).splitlines() == ["| a    | b |", "| ---- | - |", "| x\\|y | 1 |"]


@pytest.mark.parametrize("people", [0, 1, 6, 40])
def test_drawn_candidates_group_as_the_drawn_maps_do(people: int) -> None:
    keypoints = scatter_people(people, 17, (160, 208), np.random.default_rng(people))
    heatmaps, tags = draw_maps(keypoints, (160, 208), tag_dimensions=2)
    grouper = Grouper("coco")
    from_maps, from_candidates = grouper(heatmaps, tags), grouper(heatmaps, tags, draw_candidates(keypoints, heatmaps, tags))
    assert abs(len(from_maps) - len(from_candidates)) <= people // 10
    if people <= 6:
        assert len(from_maps) == people


def test_pictures_start_again_where_the_source_is_shorter(tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((8, 8, 3), 40 * index, np.uint8))
    assert [int(picture[0, 0, 0]) for picture in read_pictures(tmp_path, 5)] == [0, 40, 80, 0, 40]


def test_a_source_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        list(read_pictures(tmp_path, 1))
    (tmp_path / "clip.mp4").write_bytes(b"not a clip")
    with pytest.raises(DataError, match="cannot read pictures"):
        list(read_pictures(tmp_path / "clip.mp4", 1))
