"""`python -m training`: flags lay over presets, results can be exported, mistakes are one line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml

from configs.training import (
    TrainingConfig,
    load_training_config,
    training_config_to_dict,
    training_names,
)
from engine import load_checkpoint, load_network
from training.__main__ import main
from training.checkpoints import read_training_checkpoint
from training.schedule import Schedule


def saved(config: TrainingConfig, tmp_path: Path) -> str:
    file = tmp_path / "saved.yaml"
    file.write_text(yaml.safe_dump(training_config_to_dict(config)))
    return str(file)


def test_flags_lay_over_the_file_and_a_run_resumes_without_naming_it(
    config: TrainingConfig, tmp_path: Path
) -> None:
    data = [str(config.data[0].annotations), str(config.data[0].images[0])]
    arguments = [
        "fit",
        "--config",
        saved(config, tmp_path),
        "--data",
        *data,
        "--data-weights",
        "0.5",
        "--steps",
        "1",
    ]
    assert main([*arguments, "--batch-size", "2"]) == 0
    checkpoint = tmp_path / "run" / "last.pt"
    state = read_training_checkpoint(checkpoint)
    trained = state["training"]
    assert (trained["batch_size"], trained["schedule"]["steps"], trained["data"][0]["weight"]) == (
        2,
        1,
        0.5,
    )
    assert main(["fit", "--resume", str(checkpoint), "--workers", "0"]) == 0


def test_a_checkpoint_becomes_an_onnx_model_and_initial_weights(
    config: TrainingConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = saved(config, tmp_path)
    assert main(["fit", "--config", path, "--steps", "1"]) == 0
    checkpoint = str(tmp_path / "run" / "last.pt")
    assert f"done: {checkpoint}" in caplog.text
    assert main(["export", checkpoint, "-o", str(tmp_path / "tiny.onnx")]) == 0
    assert f"{tmp_path / 'tiny.onnx'}: " in caplog.text
    assert (tmp_path / "tiny.onnx").stat().st_size > 100_000
    load_checkpoint(load_network(config.model), checkpoint)
    again = [
        "fit",
        "--config",
        path,
        "--steps",
        "1",
        "--output",
        str(tmp_path / "again"),
        "--initial-weights",
        checkpoint,
    ]
    assert main(again) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "--config", "shrt"], "unknown training preset 'shrt', did you mean 'short'?"),
        (["fit"], "nothing to train on; give --data"),
        (["fit", "--data", "labels.json"], "labels.json' needs at least one folder or zip archive"),
        (
            ["fit", "--data", "no.json", "images", "--data-weights", "1", "2"],
            "--data-weights needs one number for each --data",
        ),
        (["fit", "--data", "no.json", "images"], "cannot read annotations"),
        (["export", "a.pt", "-o", "b.onnx", "--steps", "3"], "--steps is not a flag of this"),
        (["fit", "--stepz", "3"], "there is no --stepz 3, did you mean '--steps'?"),
        (["fit", "--input-sizes-px", "250"], "must be a multiple of 32, not 250"),
        (["fit", "--precision", "fp8"], "precision must be one of fp32, bf16, not 'fp8'"),
        (["fit", "--log-steps", "0"], "log_steps must be at least 1, not 0"),
        (["fit", "--threads", "0"], "threads must be at least 1, not 0"),
        (["fit", "--validate-images", "-1"], "validate_images must be at least 0, not -1"),
        (["fit", "--seed", "-1"], "seed must be at least 0, not -1"),
        (["fit", "--weight-decay", "-1"], "weight_decay must be at least 0, not -1"),
        (["fit", "--sigma-px", "0"], "sigma_px must be above 0, not 0"),
        (["fit", "--flip-probability", "2"], "flip_probability must be 0 to 1, not 2"),
        (["fit", "--resume", "none.pt"], "none.pt"),
        (["fit", "--device", "gpu", "--data", "no.json", "images"], "unknown device 'gpu'"),
        (["correct", "-o", "x.pt"], "learnt from labelled people: --data names some"),
        (
            ["correct", "--model", "w32_512", "--data", "no.json", "images", "-o", "x.pt"],
            "no correct",
        ),
        (["correct", "--images", "0", "-o", "x.pt"], "images must be at least 1, not 0"),
        (["export", "none.pt", "-o", "x.onnx"], "none.pt"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert message in lines[0]


def test_the_paper_schedule_falls_tenfold_after_200_and_260_of_300_epochs() -> None:
    schedule = Schedule(load_training_config("paper").schedule, epoch_steps=10, input_size_px=512)
    steps = {epoch: epoch * 10 for epoch in (0, 199, 200, 259, 260, 299)}
    rates = {
        epoch: schedule.learning_rate(step, schedule.progress(step, 0.0))
        for epoch, step in steps.items()
    }
    assert rates == pytest.approx({0: 1e-3, 199: 1e-3, 200: 1e-4, 259: 1e-4, 260: 1e-5, 299: 1e-5})
    assert schedule.progress(3000, 0.0) == 1


@pytest.mark.parametrize("name", training_names())
def test_every_preset_survives_being_written_and_read(name: str, tmp_path: Path) -> None:
    config = load_training_config(name)
    assert load_training_config(saved(config, tmp_path)) == config
