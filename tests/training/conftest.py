"""A few drawn people, and a configuration that trains a width-4 network on them in seconds."""

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
    """Six steps of a width-4 HigherHRNet with position code, at 64 px, into `tmp_path / "run"`."""
    model = tmp_path / "tiny.yaml"
    keys = {
        "name": "tiny",
        "description": "",
        "width": 4,
        "residual_blocks": 1,
        "tag_dimensions": 2,
        "tag_unit_px": 16.0,
    }
    model.write_text(yaml.safe_dump({**keys, "input_size": 64}))
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
