"""One image learnt by heart: labels, loss, trainer, inference and grouping agree on where things
are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml

from configs import load_keypoint_set
from configs.training import load_training_config, overlay
from engine import infer_maps
from evaluation.metrics.oks import match_people, object_keypoint_similarity
from grouping import Grouper
from tests.training.drawn import People
from training.processes import Processes
from training.run import open_run
from training.trainer import Trainer

SIDE_PX = 128


def test_both_people_of_a_learnt_image_are_found_with_oks_above_nine_tenths(tmp_path: Path) -> None:
    people = People(tmp_path / "people", 1, (SIDE_PX, SIDE_PX), 120)
    model = tmp_path / "small.yaml"
    # Narrower than 17 channels, the last layer could not tell 17 joints apart. An HRNet of that
    # width has ten times as many tensors, each of which takes its time in every step.
    keys = {
        "name": "small",
        "description": "",
        "backbone": "mobilenet_v2",
        "backbone_width": 0.5,
        "width": 24,
        "residual_blocks": 1,
        "tag_dimensions": 2,
        "tag_unit_px": 32.0,
    }
    model.write_text(yaml.safe_dump({**keys, "input_size": SIDE_PX}))
    still = dict.fromkeys(
        ("brightness", "contrast", "saturation", "hue_degrees", "rotation_degrees", "translation"),
        0.0,
    )
    still["flip_probability"] = 0.0
    values: dict[str, Any] = {
        "model": str(model),
        "batch_size": 1,
        "data": [{"annotations": str(people.annotations), "images": [str(people.folder)]}],
        "schedule": {
            "time_budget_s": None,
            "steps": 200,
            "learning_rate": 6e-3,
            "warmup_steps": 5,
            "input_sizes_px": [],
        },
        "loss": {"foreground_weight": 1.0},
        "optimizer": {"backbone_learning_rate_factor": 1.0, "ema_decay": 0.9},
        "augmentation": {**still, "scale_min": 1.0, "scale_max": 1.0},
        "execution": {
            "output": str(tmp_path / "run"),
            "precision": "fp32",
            "channels_last": False,
            "device": "cpu",
        },
    }
    trainer = Trainer(
        open_run(overlay(load_training_config("short"), values, "test")),
        Processes(0, 1, torch.device("cpu")),
    )
    for _ in trainer.steps():
        trainer.agree(False)

    image = cv2.imread(str(people.folder / "0000.png"))
    maps = infer_maps(trainer.validated_network, np.asarray(image, np.uint8), SIDE_PX)
    found = Grouper("coco")(maps.heatmaps, maps.tags)
    labels = np.array([item["keypoints"] for item in people.content["annotations"]]).reshape(
        -1, 17, 3
    )
    areas = [item["area"] for item in people.content["annotations"]]
    keypoints = maps.alignment.to_image(found.keypoints)
    similarity = object_keypoint_similarity(
        keypoints, labels, areas, load_keypoint_set("coco").sigmas
    )
    matches = match_people(similarity, found.scores)
    assert sorted(matches.labelled.tolist()) == [0, 1]
    assert matches.similarity.min() > 0.9
