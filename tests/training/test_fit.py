"""A whole run: resumed, interrupted, out of disk, refused."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from configs import ConfigError, DataError, ExecutionError
from configs.training import TrainingConfig, overlay, training_config_to_dict
from tests.support.waiting import LIMIT_S
from training.checkpoints import read_training_checkpoint
from training.fit import Fit, fit
from training.processes import Processes
from training.run import open_run
from training.scalars import ScalarLog, read_scalars
from training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
ALONE = Processes(0, 1, torch.device("cpu"))


def losses(folder: Path) -> list[float]:
    return [row["total"] for row in read_scalars(folder / "scalars.csv")]


def to_folder(config: TrainingConfig, folder: Path, **execution: Any) -> TrainingConfig:
    return overlay(config, {"execution": {"output": str(folder), **execution}}, "test")


def command(config: TrainingConfig, tmp_path: Path, *extra: str) -> list[str]:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(training_config_to_dict(config)))
    return [sys.executable, "-m", "training", "fit", "--config", str(file), *extra]


def test_a_resumed_run_has_the_losses_of_an_unbroken_one(
    hrnet_config: TrainingConfig, tmp_path: Path
) -> None:
    # Two rows fall due after the break, and the first of them averages steps of both halves.
    config = overlay(
        hrnet_config, {"schedule": {"steps": 7}, "execution": {"log_steps": 2}}, "test"
    )
    fit(to_folder(config, tmp_path / "whole"))
    broken = Fit(open_run(to_folder(config, tmp_path / "broken")), ALONE)
    broken.until_over(after_steps=3)
    checkpoint = tmp_path / "broken" / "last.pt"
    assert read_training_checkpoint(checkpoint)["step"] == 3
    fit(to_folder(config, tmp_path / "broken"), resume=checkpoint)
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    whole, resumed = (
        read_training_checkpoint(tmp_path / name / "last.pt") for name in ("whole", "broken")
    )
    for part in ("network", "ema"):
        for name, tensor in whole[part].items():
            torch.testing.assert_close(
                resumed[part][name], tensor, rtol=0, atol=0, msg=f"{part} {name}"
            )


# torch says so where there is one core: slow, but the same batches.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_workers_prepare_the_same_batches(config: TrainingConfig, tmp_path: Path) -> None:
    config = overlay(config, {"schedule": {"steps": 2}}, "test")
    fit(to_folder(config, tmp_path / "alone"))
    fit(to_folder(config, tmp_path / "helped", workers=2))
    assert losses(tmp_path / "alone") == losses(tmp_path / "helped")


def test_every_step_counts_once_when_sizes_follow_a_schedule(
    config: TrainingConfig, tmp_path: Path
) -> None:
    sizes = {"input_sizes_px": [32, 64], "input_sizes_until": [0.5, 1.0], "steps": 4}
    fit(overlay(config, {"schedule": sizes}, "test"))
    rows = read_scalars(tmp_path / "run" / "scalars.csv")
    assert [row["input_size_px"] for row in rows] == [32, 32, 64, 64]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]


def test_a_frozen_backbone_stays_as_it_is_and_then_moves(hrnet_config: TrainingConfig) -> None:
    config = overlay(hrnet_config, {"optimizer": {"freeze_backbone_steps": 2}}, "test")
    trainer = Trainer(open_run(config), ALONE)
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    changed: list[set[str]] = []
    for _ in trainer.steps():
        trainer.agree(False)
        changed.append(
            {
                name
                for name, tensor in trainer.network.state_dict().items()
                if not torch.equal(tensor, before[name])
            }
        )
        if trainer.step == 3:
            break
    assert all(name.startswith(("final_layers.", "deconv_layers.")) for name in changed[1])
    assert any(name.startswith("stage4.") for name in changed[2])


def test_named_parameters_stay_as_they_are(hrnet_config: TrainingConfig) -> None:
    optimizer = {"freeze": ["conv1.", "layer1."], "weight_decay": 0.1}
    config = overlay(hrnet_config, {"schedule": {"steps": 2}, "optimizer": optimizer}, "test")
    trainer = Trainer(open_run(config), ALONE)
    before = {name: tensor.detach().clone() for name, tensor in trainer.network.named_parameters()}
    for _ in trainer.steps():
        trainer.agree(False)
    changed = {
        name
        for name, tensor in trainer.network.named_parameters()
        if not torch.equal(tensor, before[name])
    }
    assert changed
    assert not any(name.startswith(("conv1.", "layer1.")) for name in changed)


def test_a_name_that_no_parameter_has_cannot_be_frozen(hrnet_config: TrainingConfig) -> None:
    config = overlay(hrnet_config, {"optimizer": {"freeze": ["backbon."]}}, "test")
    with pytest.raises(
        ConfigError, match=r"begins with 'backbon\.'; the first parameter is 'conv1\.weight'"
    ):
        Trainer(open_run(config), ALONE)


def test_the_clock_ends_a_run_at_the_floor_of_its_learning_rate(
    config: TrainingConfig, tmp_path: Path
) -> None:
    for budget_s in (3.0, 15.0, 75.0):  # a busy machine needs that long for a step
        folder = tmp_path / f"run {budget_s}"
        schedule = {"steps": None, "time_budget_s": budget_s, "floor": 0.1, "warmup_steps": 0}
        values = {"schedule": schedule, "execution": {"output": str(folder)}}
        fit(overlay(config, values, "test"))
        rows = read_scalars(folder / "scalars.csv")
        if len(rows) > 2:
            break
    assert rows[-1]["elapsed_s"] >= budget_s > rows[-2]["elapsed_s"]
    assert rows[-1]["learning_rate"] < rows[0]["learning_rate"]
    assert rows[-1]["learning_rate"] >= 1e-4


def test_a_folder_with_a_run_is_not_written_over(config: TrainingConfig) -> None:
    config = overlay(config, {"schedule": {"steps": 1}}, "test")
    fit(config)
    with pytest.raises(ConfigError, match="already holds a run"):
        fit(config)


def test_resuming_with_another_configuration_names_what_differs(
    config: TrainingConfig, tmp_path: Path
) -> None:
    fit(overlay(config, {"schedule": {"steps": 1}}, "test"))
    with pytest.raises(ConfigError, match=r"schedule\.steps 1 -> 9.*--initial-weights"):
        fit(
            overlay(config, {"schedule": {"steps": 9}}, "test"), resume=tmp_path / "run" / "last.pt"
        )


def test_resuming_with_fewer_images_is_refused(
    config: TrainingConfig, people: Any, tmp_path: Path
) -> None:
    fit(overlay(config, {"schedule": {"steps": 1}}, "test"))
    people.content["annotations"] = [
        item for item in people.content["annotations"] if item["image_id"] != 2
    ]
    people.save()
    with pytest.raises(DataError, match=r"sets of \[6\] images, not \[5\]"):
        fit(
            overlay(config, {"schedule": {"steps": 1}}, "test"), resume=tmp_path / "run" / "last.pt"
        )


def test_validation_leaves_figures_pictures_and_the_best_checkpoint(
    config: TrainingConfig, tmp_path: Path
) -> None:
    execution = {"validate_s": 0.0, "validate_images": 3, "sample_images": 2}
    config = overlay(
        replace(config, validation=config.data[0]),
        {"schedule": {"steps": 2}, "execution": execution},
        "test",
    )
    fit(config)
    rows = read_scalars(tmp_path / "run" / "validation.csv")
    assert [row["step"] for row in rows] == [1, 2]
    assert all(0 <= row["ap"] <= 1 and row["heatmaps_1"] > 0 for row in rows)
    assert len(list((tmp_path / "run" / "samples").glob("*.jpg"))) == 2
    best = max([row["ap"], -row["total"]] for row in rows)
    assert read_training_checkpoint(tmp_path / "run" / "best.pt")["best"] == pytest.approx(best)
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_line_and_what_was_learnt_is_kept(
    config: TrainingConfig, people: Any, tmp_path: Path, workers: int
) -> None:
    (people.folder / "0003.png").write_bytes(b"not a picture")
    config = overlay(
        config, {"batch_size": 1, "execution": {"workers": workers, "cache_images": False}}, "test"
    )
    with pytest.raises(DataError) as caught:
        fit(config)
    assert (
        str(caught.value)
        == "cannot decode image '0003.png': the file is damaged or no image; replace it"
    )
    steps = len(read_scalars(tmp_path / "run" / "scalars.csv"))
    assert steps == 0 or read_training_checkpoint(tmp_path / "run" / "last.pt")["step"] == steps


def test_a_training_that_diverges_keeps_the_weights_from_before(
    config: TrainingConfig, tmp_path: Path
) -> None:
    config = overlay(config, {"schedule": {"learning_rate": 1e30, "warmup_steps": 0}}, "test")
    with pytest.raises(ExecutionError, match="the gradient of step 2 is not finite"):
        fit(config)
    assert read_training_checkpoint(tmp_path / "run" / "last.pt")["step"] == 1


def test_a_resumed_run_may_measure_more_than_before(tmp_path: Path) -> None:
    with ScalarLog(tmp_path) as log:
        for step in (1, 2, 3):
            log.write("validation", {"step": step, "total": 0.5})
    with ScalarLog(tmp_path, resume_step=2) as log:
        log.write("validation", {"step": 3, "total": 0.25, "ap": 0.125})
    rows = read_scalars(tmp_path / "validation.csv")
    assert rows == [
        {"step": 1, "total": 0.5},
        {"step": 2, "total": 0.5},
        {"step": 3, "total": 0.25, "ap": 0.125},
    ]


def test_a_log_that_lost_its_content_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "scalars.csv").write_bytes(b"")  # as a loss of power leaves it
    with ScalarLog(tmp_path, resume_step=2) as log:
        log.write("scalars", {"step": 3, "total": 0.25})
    assert read_scalars(tmp_path / "scalars.csv") == [{"step": 3, "total": 0.25}]
    assert [path.name for path in tmp_path.glob("*.csv")] == ["scalars.csv"]


def test_termination_writes_a_checkpoint_and_leaves(config: TrainingConfig, tmp_path: Path) -> None:
    config = overlay(config, {"schedule": {"steps": 100_000}}, "test")
    scalars = tmp_path / "run" / "scalars.csv"
    said = tmp_path / "said.txt"
    with (
        said.open("w") as errors,
        subprocess.Popen(command(config, tmp_path), cwd=ROOT, stderr=errors) as process,
    ):
        while process.poll() is None and len(read_scalars(scalars)) < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 128 + signal.SIGTERM
    wanted = (
        f"stopped at step {len(read_scalars(scalars))}; --resume {tmp_path}/run/last.pt goes on"
    )
    assert "".join(wanted.split()) in "".join(said.read_text().split())  # however it is wrapped
    assert read_training_checkpoint(tmp_path / "run" / "last.pt")["step"] == len(
        read_scalars(scalars)
    )


def test_a_full_disk_is_one_line_and_leaves_the_previous_checkpoint(
    config: TrainingConfig, tmp_path: Path
) -> None:
    config = overlay(config, {"execution": {"checkpoint_s": 0.0}}, "test")
    Fit(open_run(config), ALONE).until_over(after_steps=1)
    checkpoint = tmp_path / "run" / "last.pt"
    before = checkpoint.read_bytes()

    def fill_disk() -> None:
        limit = (
            len(before) // 2
        )  # the file system refuses in the middle of the file, as a full one does
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    run = command(config, tmp_path, "--resume", str(checkpoint))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        run, cwd=ROOT, capture_output=True, text=True, preexec_fn=fill_disk, env=environment
    )
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and "File too large" in errors[0] and "intact" in errors[0]
    assert "Traceback" not in done.stderr
    assert checkpoint.read_bytes() == before
    assert not list(checkpoint.parent.glob(".last.pt*"))


def test_two_processes_train_as_one_with_the_same_total_batch(
    hrnet_config: TrainingConfig, tmp_path: Path
) -> None:
    """With the statistics of batch norm frozen; otherwise each process normalises by its own half
    of the batch.
    """
    optimizer = {"freeze_batch_norm": True}
    config = overlay(hrnet_config, {"schedule": {"steps": 4}, "optimizer": optimizer}, "test")
    fit(to_folder(config, tmp_path / "one"))
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    _, *module = command(to_folder(config, tmp_path / "two"), tmp_path)
    subprocess.run([*launcher, *module], cwd=ROOT, check=True, timeout=300)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    one, two = (
        read_training_checkpoint(tmp_path / name / "last.pt")["network"] for name in ("one", "two")
    )
    start = open_run(to_folder(config, tmp_path / "start")).network.state_dict()
    moved = max((one[name].float() - start[name].float()).abs().max().item() for name in one)
    apart = max((one[name].float() - two[name].float()).abs().max().item() for name in one)
    assert apart < 0.02 * moved
