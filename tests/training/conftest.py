"""A few drawn people, and configurations that train tiny networks on them in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from configs.training import TrainingConfig, load_training_config, overlay
from tests.training.drawn import People


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Threads of a tiny network spend more time waiting for each other than working."""
    torch.set_num_threads(1)


@pytest.fixture
def people(tmp_path: Path) -> People:
    """Six images with two people each."""
    return People(tmp_path / "people", 6)


@pytest.fixture
def config(tmp_path: Path, people: People) -> TrainingConfig:
    """Six steps of the smallest network on a MobileNetV2 (169 tensors, each of which is one more to
    step and to write), at 64 px, into `tmp_path / "run"`.
    """
    keys = {"backbone": "mobilenet_v2", "backbone_width": 0.25, "width": 17}
    return _six_steps(tmp_path, people, keys)


@pytest.fixture
def hrnet_config(tmp_path: Path, people: People) -> TrainingConfig:
    """The same of a width-4 HigherHRNet with position code: 1,774 tensors, with those of batch
    normalisation.
    """
    return _six_steps(tmp_path, people, {"width": 4})


def _six_steps(tmp_path: Path, people: People, keys: dict[str, Any]) -> TrainingConfig:
    model = tmp_path / "tiny.yaml"
    head = {"residual_blocks": 1, "tag_dimensions": 2, "tag_unit_px": 16.0}
    about = {"name": "tiny", "description": "", "input_size": 64}
    model.write_text(yaml.safe_dump({**about, **keys, **head}))
    plain = {"precision": "fp32", "channels_last": False}
    values: dict[str, Any] = {
        "model": str(model),
        "batch_size": 4,
        "data": [{"annotations": str(people.annotations), "images": [str(people.folder)]}],
        "schedule": {
            "time_budget_s": None,
            "steps": 6,
            "warmup_steps": 2,
            "input_sizes_px": [],
            "input_sizes_until": [],
        },
        "execution": {
            "output": str(tmp_path / "run"),
            "log_steps": 1,
            "threads": 1,
            "device": "cpu",
            **plain,
        },
    }
    return overlay(load_training_config("short"), values, "test")
