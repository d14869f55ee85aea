"""A joint correction that learns from people who are found."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import basics
from configs import load_keypoint_set
from engine.model_source import PACKAGED_WEIGHTS
from engine.networks.regressed_tags import RegressedPeople
from engine.onnx.weights import load_exported_network
from evaluation.metrics.truth import read_truth
from tests.training.drawn import annotation
from training.__main__ import main
from training.checkpoints import read_training_checkpoint
from training.correction import _labelled, unlikelihood
from training.dataset import Batch, Labels

DATA = Path(basics.__file__).parent / "data"


@pytest.fixture(scope="module")
def plaza(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """COCO labels and the folder of eight pictures of the clip in the package."""
    folder = tmp_path_factory.mktemp("plaza")
    truth = read_truth(DATA / "plaza_truth.json.gz", load_keypoint_set("coco"))
    images, annotations = [], []
    with av.open(DATA / "plaza.mp4") as clip:
        for index, frame in enumerate(clip.decode(video=0)):
            if index % 25:
                continue
            picture = frame.to_ndarray(format="bgr24")
            cv2.imwrite(str(folder / f"{index}.png"), picture)
            height, width = picture.shape[:2]
            images.append(
                {"id": index, "file_name": f"{index}.png", "width": width, "height": height}
            )
            for joints in truth[index].keypoints:
                annotations.append(annotation(len(annotations) + 1, index, joints))
    labels = folder / "labels.json"
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(load_keypoint_set("coco").names),
        "skeleton": [],
    }
    content = {"images": images, "annotations": annotations, "categories": [category]}
    labels.write_text(json.dumps(content))
    return labels, folder


def test_joints_that_were_kept_back_are_nearer_and_nothing_else_changes(
    plaza: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    output, exported = tmp_path / "corrected.pt", tmp_path / "corrected.onnx"
    size = ["--images", "40", "--input-sizes-px", "256", "--epochs", "25", "--threads", "1"]
    data = ["--data", *map(str, plaza)]
    torch.manual_seed(0)

    begun_from = PACKAGED_WEIGHTS / "lite.onnx"
    assert main(["correct", *data, *size, "-o", str(output)]) == 0
    (said,) = (message for message in caplog.messages if "kept back" in message)
    before, after = (float(word) for word in said.split(" by ")[1].split(" of ")[0].split(" -> "))
    assert after < 0.92 * before  # 0.11 and 0.135

    trained = read_training_checkpoint(output)["network"]
    for name, value in load_exported_network(begun_from).state_dict().items():
        if not name.startswith("correction."):
            assert torch.equal(trained[name], value), name
    assert main(["export", str(output), "-o", str(exported)]) == 0
    again = load_exported_network(exported).state_dict()
    torch.testing.assert_close(
        again["correction.last.bias"], trained["correction.last.bias"], rtol=1e-3, atol=1e-3
    )


def test_what_is_learnt_are_the_ways_to_the_labelled_joints_inside_the_crop() -> None:
    joints = torch.rand(17, 2, generator=torch.Generator().manual_seed(0)) * 30 + 10  # map pixels
    regressed = joints + torch.tensor([2.0, -1.0])

    def each(values: Tensor) -> Tensor:  # (17,) as (1, 17, 2 people)
        return torch.stack((values, values + 40), dim=-1)[None]

    people = RegressedPeople(
        score=torch.tensor([[0.9, 0.8]]),
        somebody=torch.ones(1, 2),
        x=torch.tensor([[25.0, 65.0]]),
        y=torch.tensor([[25.0, 65.0]]),
        joint_x=each(regressed[:, 0]),
        joint_y=each(regressed[:, 1]),
        area=torch.full((1, 2), 400.0),
        coarse=torch.zeros(1, 2),
        reach=torch.ones(1, 17, 2),
    )
    labels = torch.cat((joints + 0.5, torch.full((17, 1), 64.0)), dim=1)[None, None] / 64
    labels[..., 3, 2] = 0  # not labelled
    labels[..., 4, 0] = 1.01  # beyond the crop
    batch = Batch(
        torch.zeros(1, 256, 256, 3, dtype=torch.uint8),
        Labels(labels.double(), torch.zeros(1, dtype=torch.bool), []),
    )
    views = torch.arange(2.0).expand(1, 5, 17, 2)

    (found,) = _labelled(people, views, batch, 7)

    assert found.crop.tolist() == [7]  # the other is nobody who is labelled
    assert found.views.shape == (1, 5, 17) and (found.views == 0).all()
    assert found.labelled[0].tolist() == [1, 1, 1, 0, 0] + [1] * 12
    known = found.labelled[0] > 0
    expected = torch.tensor([-0.1, 0.05]).expand(int(known.sum()), 2)
    torch.testing.assert_close(found.ways[0, known], expected, rtol=1e-4, atol=1e-5)


def test_the_likeliest_spread_is_half_the_distance() -> None:
    truth = torch.tensor([[[0.3, 0.4]]])
    labelled = torch.ones(1, 1)
    spreads = np.linspace(0.1, 0.6, 51)
    losses = [
        unlikelihood(
            torch.zeros(1, 2, 1, 1), torch.tensor([[[np.log(spread)]]]), truth, labelled
        ).item()
        for spread in spreads
    ]
    assert spreads[int(np.argmin(losses))] == pytest.approx(0.25)
    assert unlikelihood(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1), truth, 0 * labelled) == 0
