"""Weights into networks (docs/reference.md, section 1.3)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from configs import CheckpointError, keypoint_set_names, load_keypoint_set
from engine.checkpoints.layouts import HEAD, own_name
from engine.checkpoints.reading import read_state_dict

_FUSE = "stage4.0.fuse_layers.0.1.0.weight"  # every HRNet has it, and its first side is the width
_NAMES_SHOWN = 3


def load_checkpoint(network: nn.Module, path: str | Path) -> None:
    """Puts the weights of a checkpoint into a network.

    The file is read with `weights_only=True`: nothing in it is executed.

    Args:
        network: Of `load_network`; its mode and device are kept.
        path: A checkpoint of the official code, of mmpose 0.x, or of this project's training, whose
            averaged weights are taken if it has them.

    Raises:
        CheckpointError: The file cannot be read or does not fit; the network stays as it was. The
            message says which names are missing, unexpected or of another shape, and what the file
            looks like.
    """
    own = network.state_dict()
    given = {own_name(name, own): tensor for name, tensor in read_state_dict(path).items()}
    for name, tensor in own.items():
        if name.endswith("num_batches_tracked"):
            given.setdefault(name, tensor)
    problem = _difference(own, given)
    if problem:
        raise CheckpointError(
            f"{str(path)!r} does not fit {_name(network)}: {problem}; the file looks like "
            f"{describe_state_dict(given)}, the "
            f"network is {describe_state_dict(own)}"
        )
    network.load_state_dict(given, strict=True)


def load_backbone(network: nn.Module, path: str | Path) -> None:
    """Puts the backbone's weights of a checkpoint into a network and leaves its head as it is.

    For ImageNet weights, whose classifier is ignored, and for weights with other joints.

    Args:
        network: Of `load_network`.
        path: A checkpoint in any form that `load_checkpoint` reads.

    Raises:
        CheckpointError: As `load_checkpoint`, for the backbone's names.
    """
    everything = network.state_dict()
    own = {name: tensor for name, tensor in everything.items() if not name.startswith(HEAD)}
    given = {own_name(name, own): tensor for name, tensor in read_state_dict(path).items()}
    backbone = {
        name: given.get(name, own[name])
        for name in own
        if name in given or name.endswith("num_batches_tracked")
    }
    problem = _difference(own, backbone)
    if problem:
        raise CheckpointError(
            f"{str(path)!r} has no backbone for {_name(network)}: {problem}; the file looks like "
            f"{describe_state_dict(given)}"
        )
    network.load_state_dict({**everything, **backbone}, strict=True)


def describe_state_dict(state: Mapping[str, Tensor]) -> str:
    """The network that the names and shapes speak of, for example `HigherHRNet-W48 for CrowdPose
    (14 joints)`.
    """
    is_hrnet = _FUSE in state
    if "final_layers.0.weight" not in state:
        if not is_hrnet:
            return "another network"
        purpose = (
            "for image classification"
            if any(name.startswith("classifier.") for name in state)
            else "alone"
        )
        return f"HRNet-W{state[_FUSE].shape[0]} {purpose} (no pose head)"
    deconvolutions = len(
        {name.split(".")[1] for name in state if name.startswith("deconv_layers.")}
    )
    channels, width = state["final_layers.0.weight"].shape[:2]
    joints = (
        state["final_layers.1.weight"].shape[0]
        if "final_layers.1.weight" in state
        else channels // 2
    )
    tags = channels // joints - 1
    known = [name for name in keypoint_set_names() if len(load_keypoint_set(name)) == joints]
    sets = f" for {' or '.join(known)}" if known else ""
    backbone = f"HigherHRNet-W{width}" if is_hrnet else f"a HigherHRNet head of width {width}"
    details = [f"{joints} joints"]
    if deconvolutions != 1:
        details.append(f"{deconvolutions or 'no'} deconvolution{'s' if deconvolutions else ''}")
    if tags != 1:
        details.append(f"{tags} tag dimensions")
    return f"{backbone}{sets} ({', '.join(details)})"


def _difference(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """What keeps `given` from being loaded as `own`, or nothing."""
    shapes = [
        f"{name} {_shape(given[name])} instead of {_shape(own[name])}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    parts = [
        ([name for name in own if name not in given], "missing"),
        ([name for name in given if name not in own], "unexpected"),
        (shapes, "of the wrong shape"),
    ]
    return ", ".join(f"{len(names)} {what} ({_first(names)})" for names, what in parts if names)


def _first(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "scalar"


def _name(network: nn.Module) -> str:
    with contextlib.suppress(AttributeError):
        return repr(network.config.name)  # type: ignore[union-attr]
    return type(network).__name__
