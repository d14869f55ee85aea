"""Every form of checkpoint loads; what cannot be loaded is refused with what it is."""

from __future__ import annotations

import copy
import dataclasses
import re

import numpy as np
import pytest
import torch
from torch import nn

from configs import CheckpointError
from engine import load_checkpoint, load_network
from engine.checkpoints.layouts import convert_checkpoint, to_mmpose, to_official
from engine.checkpoints.loading import load_backbone
from engine.checkpoints.reading import read_state_dict
from tests.engine.golden import TINY


@pytest.fixture(scope="module")
def source() -> nn.Module:
    torch.manual_seed(1)
    return load_network(TINY)


@pytest.fixture
def state(source) -> dict[str, torch.Tensor]:
    return dict(source.state_dict())


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def training_checkpoint(state, ema):
    return {
        "format": "higherhrnet-stream",
        "model": dataclasses.asdict(TINY),
        "network": state,
        "ema": ema,
        "epoch": 3,
    }


FORMS = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "model": "pose_higher_hrnet", "state_dict": state},
    "model": lambda state: {"model": state, "epoch": 1},
    "data parallel": lambda state: prefixed(state, "module."),
    "official fp16 wrapper": lambda state: prefixed(state, "1."),
    "fp16 wrapper in data parallel": lambda state: {"state_dict": prefixed(state, "module.1.")},
    "mmpose": lambda state: {"meta": {"epoch": 300}, "state_dict": to_mmpose(state)},
    "official training artefact": lambda state: {
        "state_dict": prefixed(state, "module."),
        "perf": np.float64(0.67),
    },
    "no num_batches_tracked": lambda state: {
        k: v for k, v in state.items() if not k.endswith("num_batches_tracked")
    },
    "own, without average": lambda state: training_checkpoint(state, None),
    "own, with average": lambda state: training_checkpoint(
        {k: v * 0 for k, v in state.items()}, state
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_loads_the_same_weights(form, state, tmp_path):
    torch.save(FORMS[form](state), tmp_path / "weights.pth")
    network = load_network(TINY)

    load_checkpoint(network, tmp_path / "weights.pth")

    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_half_precision_weights_become_single_precision(state, tmp_path):
    halves = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    torch.save(prefixed(halves, "1."), tmp_path / "weights.pth")
    network = load_network(TINY)

    load_checkpoint(network, tmp_path / "weights.pth")

    assert network.conv2.weight.dtype == torch.float32
    assert torch.equal(network.conv2.weight, halves["conv2.weight"].float())


def refusal(network, path) -> str:
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(network, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_width_is_named(tmp_path):
    torch.save(
        load_network(dataclasses.replace(TINY, width=6)).state_dict(), tmp_path / "weights.pth"
    )

    message = refusal(load_network(TINY), tmp_path / "weights.pth")

    assert "of the wrong shape (transition1.0.0.weight 6x256x3x3 instead of 4x256x3x3" in message
    assert (
        "looks like HigherHRNet-W6 for coco (17 joints), the network is HigherHRNet-W4 for coco "
        "(17 joints)" in message
    )


def test_another_keypoint_set_is_named(tmp_path):
    other = load_network(dataclasses.replace(TINY, keypoint_set="crowdpose", deconvolutions=2))
    torch.save(other.state_dict(), tmp_path / "weights.pth")

    message = refusal(load_network(TINY), tmp_path / "weights.pth")

    assert "57 unexpected" in message or "unexpected (final_layers.2.weight" in message
    assert "looks like HigherHRNet-W4 for crowdpose (14 joints, 2 deconvolutions)" in message


def test_missing_and_unexpected_names_are_counted_and_shown(state, tmp_path):
    del state["conv1.weight"]
    torch.save({**state, "surplus.weight": torch.zeros(1)}, tmp_path / "weights.pth")

    message = refusal(load_network(TINY), tmp_path / "weights.pth")

    assert "1 missing (conv1.weight), 1 unexpected (surplus.weight)" in message


class Payload:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "not a PyTorch file: it is empty"),
        (b"<!DOCTYPE html><html>", "not a PyTorch file: it looks like a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"PK\x03\x04 cut off", "damaged or cut off"),
        (b"just some text", r"begins with b'just some text'"),
    ],
)
def test_what_is_not_a_checkpoint_is_described(content, expected, tmp_path):
    (tmp_path / "weights.pth").write_bytes(content)

    assert expected in refusal(load_network(TINY), tmp_path / "weights.pth")


def test_a_truncated_checkpoint_is_called_damaged(state, tmp_path):
    torch.save(state, tmp_path / "weights.pth")
    whole = (tmp_path / "weights.pth").read_bytes()
    (tmp_path / "weights.pth").write_bytes(whole[: len(whole) // 2])

    assert "damaged or cut off" in refusal(load_network(TINY), tmp_path / "weights.pth")


def test_code_in_a_checkpoint_is_not_executed(tmp_path, capsys):
    torch.save({"state_dict": Payload()}, tmp_path / "weights.pth")

    message = refusal(load_network(TINY), tmp_path / "weights.pth")

    assert "code rather than weights" in message
    assert "executed" not in capsys.readouterr().out


def test_a_missing_file_and_a_file_without_weights_are_named(tmp_path):
    torch.save({"optimizer": {"lr": 0.1}}, tmp_path / "weights.pth")

    assert "No such file" in refusal(load_network(TINY), tmp_path / "nowhere.pth")
    assert "without weights in it (it has 'optimizer')" in refusal(
        load_network(TINY), tmp_path / "weights.pth"
    )


def test_imagenet_weights_fill_the_backbone_and_leave_the_head(state, tmp_path):
    imagenet = {
        name: tensor + 1
        for name, tensor in state.items()
        if not name.startswith(("final", "deconv"))
    }
    torch.save({**imagenet, "classifier.weight": torch.zeros(1000, 2048)}, tmp_path / "hrnet.pth")
    network = load_network(TINY)
    head = network.final_layers[0].weight.clone()

    load_backbone(network, tmp_path / "hrnet.pth")

    assert torch.equal(network.conv1.weight, imagenet["conv1.weight"])
    assert torch.equal(network.final_layers[0].weight, head)
    with pytest.raises(CheckpointError, match="for image classification"):
        load_checkpoint(network, tmp_path / "hrnet.pth")


def test_conversion_to_mmpose_and_back_changes_nothing(state, tmp_path):
    torch.save(state, tmp_path / "official.pth")

    convert_checkpoint(tmp_path / "official.pth", tmp_path / "mmpose.pth", "mmpose")
    convert_checkpoint(tmp_path / "mmpose.pth", tmp_path / "back.pth", "official")

    converted = torch.load(tmp_path / "mmpose.pth", weights_only=True)["state_dict"]
    assert all(
        re.match(r"backbone\.|keypoint_head\.(final|deconv)_layers\.", name) for name in converted
    )
    assert sum(name.startswith("keypoint_head.") for name in converted) == 4 + 6 + 4 * 12
    back = read_state_dict(tmp_path / "back.pth")
    assert list(back) == list(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_conversion_knows_all_prefixes(state):
    assert list(to_official(prefixed(to_mmpose(state), "module."))) == list(state)
