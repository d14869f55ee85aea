"""`python -m evaluation`, through a real (tiny, untrained) network; bad input is one line and exit
code 2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from configs import KeypointSet
from engine.onnx.metadata import read_metadata
from evaluation.__main__ import COMMANDS, main
from evaluation.commands.speed import SpeedConfig, time_setting
from evaluation.measuring.network import NetworkEstimator
from evaluation.measuring.prediction import evaluate
from evaluation.measuring.setting import Setting, SettingConfig, open_setting
from grouping import Grouper
from keypoint_datasets import ImageStore, load_dataset

torch = pytest.importorskip("torch")

PRESET = """
name: tiny
description: a network small enough for tests
width: 4
residual_blocks: 1
input_size: 64
keypoint_set: {keypoint_set}
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """A preset and its random weights, as paths, for each keypoint set."""
    from engine import load_network

    made = {}
    for keypoint_set in ("coco", "crowdpose"):
        folder = tmp_path_factory.mktemp(keypoint_set)
        preset, weights = folder / "tiny.yaml", folder / "tiny.pt"
        preset.write_text(PRESET.format(keypoint_set=keypoint_set))
        torch.manual_seed(0)
        torch.save(load_network(str(preset)).state_dict(), weights)
        made[keypoint_set] = str(preset), str(weights)
    return made


@pytest.fixture
def written(write_dataset: Callable[..., Any], people: Any, coco: KeypointSet) -> Any:
    keypoints = people.standing(coco, 60, 60, 80, np.random.default_rng(0))
    labels = [people.label(index, index, keypoints, area=900.0) for index in (1, 2, 3)]
    return write_dataset(
        labels, keypoint_set=coco, sizes={1: (128, 96), 2: (96, 128), 3: (128, 96)}
    )


@pytest.fixture
def flags(written: Any, tiny: dict[str, tuple[str, str]]) -> list[str]:
    preset, weights = tiny["coco"]
    labels = ["--annotations", str(written.annotations), "--images", str(written.images)]
    return [*labels, "--model", preset, "--weights", weights, "--runtime", "reference"]


def test_coco_says_and_writes_its_figures(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {name: tmp_path / f"{name}.out" for name in ("results", "markdown", "store")}
    arguments = [part for name, path in outputs.items() for part in (f"--{name}", str(path))]
    assert main(["coco", *flags, *arguments]) == 0
    said = capsys.readouterr().out
    assert "held-out split labels, 3 images" in said
    assert "val2017" not in said
    assert outputs["markdown"].read_text().strip() in said
    assert isinstance(json.loads(outputs["results"].read_text()), list)
    assert json.loads(outputs["store"].read_text())["setting"]["model"] == "tiny"
    # a second setting on the same split gets a row in the same table
    assert (
        main(
            [
                "coco",
                *flags,
                "--flip",
                "--store",
                str(outputs["store"]),
                "--markdown",
                str(outputs["markdown"]),
            ]
        )
        == 0
    )
    table = outputs["markdown"].read_text()
    assert "| tiny 64 " in table
    assert "| tiny 64 + flip " in table


def test_an_exported_graph_and_the_reference_find_the_same_people(
    flags: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    results = {}
    for runtime in ("reference", "onnxruntime"):
        path = tmp_path / f"{runtime}.json"
        assert main(["coco", *flags, "--runtime", runtime, "--results", str(path)]) == 0
        results[runtime] = json.loads(path.read_text())
    # An untrained network is alike everywhere but for the size of its maps: nobody, or somebody in
    # the same images.
    images = [{result["image_id"] for result in found} for found in results.values()]
    assert images[0] == images[1]


def test_the_limit_keeps_the_first_images(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["coco", *flags, "--limit", "1"]) == 0
    assert "1 images" in capsys.readouterr().out


def test_crowdpose_says_easy_medium_and_hard(
    write_dataset: Callable[..., Any],
    people: Any,
    crowdpose: KeypointSet,
    tiny: dict[str, tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    keypoints = people.standing(crowdpose, 60, 60, 80, np.random.default_rng(0))
    labels = [people.label(index, index, keypoints) for index in (1, 2)]
    written = write_dataset(
        labels,
        keypoint_set=crowdpose,
        sizes={1: (128, 96), 2: (96, 128)},
        crowd_indices={1: 0.1, 2: 0.9},
    )
    preset, weights = tiny["crowdpose"]
    arguments = ["--annotations", str(written.annotations), "--images", str(written.images)]
    assert (
        main(
            [
                "crowdpose",
                *arguments,
                "--model",
                preset,
                "--weights",
                weights,
                "--runtime",
                "reference",
            ]
        )
        == 0
    )
    assert "AP medium | AP hard" in capsys.readouterr().out


def test_ablation_has_a_row_for_every_variant(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    variants = ["refine=false", "refine_floor=0.1,duplicate_distance_px=2"]
    strides = ["--map-strides", "1", "--runtime", "onnxruntime"]
    assert main(["ablate-grouping", *flags, *strides, "--variants", *variants]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert [row.split("|")[1].strip() for row in rows] == ["as it is", *variants, "map stride 1"]


def test_variants_start_from_the_adjustment_of_the_model(flags: list[str], tmp_path: Path) -> None:
    preset, store = tmp_path / "newton.yaml", tmp_path / "rows.jsonl"
    preset.write_text(Path(flags[flags.index("--model") + 1]).read_text() + "adjustment: newton\n")
    chosen = ["--model", str(preset), "--variants", "refine=false", "--store", str(store)]
    assert main(["ablate-grouping", *flags, *chosen]) == 0
    (row,) = map(json.loads, store.read_text().splitlines())
    assert set(row["setting"]["grouping"]) == {"adjustment=newton", "refine=false"}
    setting = Setting.from_json(row["setting"], "row")
    assert setting.treatment == ("map stride 1", "refine=false"), "its own is no change of it"
    other = replace(setting, grouping=("refine=false",))
    assert other.treatment == ("map stride 1", "adjustment=quarter", "refine=false")
    older = replace(setting, adjustment="")
    assert older == setting and "adjustment=newton" in older.treatment


def test_pareto_groups_as_the_model_is_grouped(written: Any, tmp_path: Path) -> None:
    labels = ["--annotations", str(written.annotations), "--images", str(written.images)]
    chosen = ["--models", "lite", "--runtimes", "onnxruntime", "--sizes", "64"]
    store = tmp_path / "rows.jsonl"
    assert main(["pareto", *labels, *chosen, "--store", str(store)]) == 0
    rows = map(json.loads, store.read_text().splitlines())
    assert [row["setting"]["grouping"] for row in rows] == 2 * [["adjustment=newton"]]


@pytest.mark.parametrize("model", ["lite", "base"])
def test_weights_of_the_package_run_as_the_reference(model: str) -> None:
    pytest.importorskip("onnx")
    config = SettingConfig(model=model, runtime="reference", input_size=64)
    with open_setting(config) as opened:
        maps = opened.estimator.submit(np.zeros((48, 64, 3), np.uint8))
    assert maps.heatmaps.shape == (17, 64, 128) and opened.setting.map_stride == 1


def test_speed_times_every_part(flags: list[str], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(2):
        cv2.imwrite(str(pictures / f"{index}.png"), np.full((96, 128, 3), 100, np.uint8))
    model, weights = flags[flags.index("--model") + 1], flags[flags.index("--weights") + 1]
    with open_setting(
        SettingConfig(model=model, weights=Path(weights), runtime="reference")
    ) as opened:
        speed = time_setting(opened, SpeedConfig(source=pictures, runs=3, warm_up=1, people=(0, 2)))
    figures = speed.to_json()
    assert all(value is not None and value >= 0 for value in figures.values())
    assert {"grouping_ms_p50_people_0", "grouping_ms_p50_people_2"} <= figures.keys()
    assert figures["latency_ms_p50"] <= figures["latency_ms_p95"] <= figures["latency_ms_p99"]
    assert len(speed.latency.runs_ms) == 3
    assert len(speed.latency.warm_up_ms) == 1


@pytest.fixture
def exported(tiny: dict[str, tuple[str, str]], tmp_path: Path) -> Path:
    """The tiny network as an ONNX model, which `--models` can name."""
    pytest.importorskip("onnx")
    from engine.__main__ import main as engine

    preset, weights = tiny["coco"]
    path = tmp_path / "tiny.onnx"
    assert engine(["export", preset, str(path), "--weights", weights]) == 0
    return path


def test_pareto_measures_ap_and_milliseconds_of_every_setting(
    written: Any, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {name: tmp_path / f"pareto.{name}" for name in ("jsonl", "md", "svg")}
    arguments = [
        *(
            "pareto",
            "--annotations",
            str(written.annotations),
            "--images",
            str(written.images),
            "--models",
            str(exported),
        ),
        *("--runtimes", "onnxruntime", "--precisions", "fp32", "bf16", "--sizes", "64", "96"),
        *("--grouping", "default", "refine=false"),
        *(
            "--store",
            str(outputs["jsonl"]),
            "--markdown",
            str(outputs["md"]),
            "--plot",
            str(outputs["svg"]),
        ),
    ]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "not measured: " in said and "onnxruntime' does not compute in bf16" in said
    rows = [line for line in outputs["md"].read_text().splitlines() if line.startswith("| tiny ")]
    assert len(rows) == 4
    assert sum("| best " in row for row in rows) >= 1
    assert outputs["svg"].read_text().lstrip().startswith("<?xml")
    stored = [json.loads(line) for line in outputs["jsonl"].read_text().splitlines()]
    assert {row["setting"]["weights"] for row in stored} == {
        read_metadata(exported).weights_sha256[:8]
    }
    # what is stored is not measured again, and the table is still whole
    assert main([*arguments, "--missing"]) == 0
    assert len(outputs["jsonl"].read_text().splitlines()) == len(stored) == 8
    assert capsys.readouterr().out.count("| tiny ") == 4
    assert main(["table", "--store", str(outputs["jsonl"]), "--time", "latency_ms_p99"]) == 0
    assert (
        "| AP  | latency_ms_p99 | latency_ms_p50 | latency_ms_p95 | Pareto |"
        in capsys.readouterr().out
    )


def test_validation_of_a_network_in_memory_leaves_it_as_it_was(
    written: Any, tiny: dict[str, tuple[str, str]], coco: KeypointSet
) -> None:
    from engine import load_network

    network = load_network(tiny["coco"][0]).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with ImageStore([written.images]) as images:
        figures = evaluate(
            NetworkEstimator(network),
            Grouper("coco"),
            load_dataset(written.annotations, images, coco),
        )
    assert 0 <= figures.ap <= 1
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


LABELS = "--annotations {labels} --images {images}"
TINY = "--model {preset} --weights {weights} --runtime reference"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cocoo", "cannot be 'cocoo'"),
        ("coco", "--annotations and --images must be given"),
        ("coco --annotations {labels} --images gone.zip", "no images at 'gone.zip'"),
        (f"coco --annotations gone.json --images {{images}} {TINY}", "gone.json"),
        (f"coco {LABELS} --model lit", "lit"),
        (
            f"coco {LABELS} --model {{crowd}} --weights {{crowdweights}} --runtime reference",
            "17 keypoints",
        ),
        (f"coco {LABELS} --results {{tmp}}/no/out.json", "does not exist"),
        (f"coco {LABELS} --markdown {{tmp}}", "is a folder"),
        (f"coco {LABELS} --input-size 100", "multiple of 32"),
        (f"coco {LABELS} --grouping refin=1", "did you mean"),
        (f"coco {LABELS} --runtime reference --model m.onnx", "unknown model 'm.onnx'"),
        (f"ablate-grouping {LABELS} --map-strides 1 --model m.onnx", "needs a preset"),
        (f"coco {LABELS} {TINY} --runtime opnvino", "opnvino"),
        (f"coco {LABELS} {TINY} --limit 0", "at least 1 image"),
        (f"crowdpose {LABELS} {TINY}", "crowdIndex"),
        (f"coco --annotations {{without_area}} --images {{images}} {TINY}", "has no area"),
        ("truth --records gone.jsonl --truth {labels}", "list of frames"),
        ("speed --source gone.mp4 --runs 0", "runs must be"),
        ("speed --source gone.mp4", "gone.mp4"),
        ("speed --source {images} --models lit", "lit"),
        ("speed --source {images} --runtimes openvino opnvino", "did you mean 'openvino'"),
        ("speed --source {images} --flip maybe", "must be one of off, on"),
        ("pareto --models lite", "--annotations and --images must be given"),
        (f"pareto {LABELS} --plot {{tmp}}/no/p.svg", "does not exist"),
        (f"pareto {LABELS} --scales 0.5,2", "--scales[0] must include 1"),
        ("table --store gone.jsonl", "cannot read measurements"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    written: Any,
    tiny: dict[str, tuple[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    (preset, weights), (crowd, crowdweights) = tiny["coco"], tiny["crowdpose"]
    content = json.loads(written.annotations.read_text())
    del content["annotations"][0]["area"]
    without_area = tmp_path / "without_area.json"
    without_area.write_text(json.dumps(content))
    places = {
        "without_area": without_area, "labels": written.annotations, "images": written.images,
        "preset": preset, "weights": weights, "crowd": crowd, "crowdweights": crowdweights,
        "tmp": tmp_path,
    }  # fmt: skip
    assert main([argument.format(**places) for argument in arguments.split()]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert message in said.err
    assert said.out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert "--" in capsys.readouterr().out
