"""Checkpoints in every form that HigherHRNet weights are found in (docs/reference.md,
section 1.3).

Bare state dicts; `{'state_dict': ...}` and `{'model': ...}` around them; names that begin with
`module.` (data parallel), `1.` (the official FP16 wrapper), `backbone.` or `keypoint_head.` (mmpose
0.x); half-precision tensors; batch normalisation without `num_batches_tracked`; and this project's
training checkpoints.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from configs import CheckpointError
from engine.checkpoints.describe import describe_file, describe_state_dict

TRAINING_FORMAT = "higherhrnet-stream"
_PREFIX = re.compile(r"^(?:module|1|backbone|keypoint_head)\.")
_HEAD = ("final_layers.", "deconv_layers.")
_NAMES_SHOWN = 3

# Official training checkpoints hold their best AP as a NumPy scalar; these constructors make
# numbers and nothing else.
_SCALAR = np.float64(0).__reduce__()[0]
_NUMBERS: list[Any] = [
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
    np.dtypes.Int64DType,
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
]


def load_checkpoint(network: nn.Module, path: str | Path) -> None:
    """Puts the weights of the checkpoint at `path` into `network`; of a training checkpoint, the
    averaged ones if it has them.

    The file is read with `weights_only=True`: nothing in it is executed. Raises CheckpointError,
    and leaves the network as it was, if the file cannot be read or does not fit; the message says
    which names are missing, unexpected or of another shape, and what the file looks like.
    """
    own = network.state_dict()
    given = {_match(name, own): tensor for name, tensor in read_state_dict(path).items()}
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
    """Puts the backbone's weights of the checkpoint at `path` into `network` and leaves the head as
    it is.

    For ImageNet weights, whose classifier is ignored, and for weights with other joints. Raises
    CheckpointError as `load_checkpoint` does, for the backbone's names.
    """
    everything = network.state_dict()
    own = {name: tensor for name, tensor in everything.items() if not name.startswith(_HEAD)}
    given = {_match(name, own): tensor for name, tensor in read_state_dict(path).items()}
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


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The state dict that the file holds, out of whatever is wrapped around it, with the names that
    it has there.

    Raises CheckpointError if the file cannot be read, is not a PyTorch file, or holds no state
    dict.
    """
    content = read_checkpoint(path)
    state = _unwrap(content)
    if state is None:
        keys = (
            f" (it has {', '.join(repr(key) for key in list(content)[:5])})"
            if isinstance(content, Mapping)
            else ""
        )
        raise CheckpointError(f"{str(path)!r} is a PyTorch file without weights in it{keys}")
    return state


def read_checkpoint(path: str | Path) -> Any:
    """What `torch.load` finds in the file, on the CPU and with `weights_only=True`. Raises
    CheckpointError if it cannot.
    """
    path = Path(path)
    try:
        with torch.serialization.safe_globals(_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint {str(path)!r}: {error.strerror}"
        ) from error
    except UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise CheckpointError(
                f"{str(path)!r} holds a {refused[1]}, which is code rather than weights and is not "
                "loaded; save its state dict "
                "alone with torch.save(model.state_dict(), path)"
            ) from error
        raise CheckpointError(
            f"{str(path)!r} is not a PyTorch file: {describe_file(path)}"
        ) from error
    except (
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        TypeError,
    ) as error:
        # torch.load has no error of its own: a damaged file surfaces as whatever its reader tripped
        # over.
        raise CheckpointError(
            f"{str(path)!r} is not a PyTorch file: {describe_file(path)}"
        ) from error


def strip_prefixes(name: str) -> str:
    """The official name of a parameter, whatever wrappers have put before it."""
    while (shorter := _PREFIX.sub("", name)) != name:
        name = shorter
    return name


def _unwrap(content: Any) -> dict[str, Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    if content.get("format") == TRAINING_FORMAT:
        return _unwrap(content.get("ema")) or _unwrap(content.get("network"))
    for key in ("state_dict", "model"):
        state = _unwrap(content.get(key))
        if state is not None:
            return state
    return None


def _match(name: str, own: Mapping[str, Tensor]) -> str:
    """`name` without its prefixes, unless the network itself has a parameter called so (`backbone.`
    is not always mmpose's).
    """
    shorter = name
    while shorter not in own and (without := _PREFIX.sub("", shorter, count=1)) != shorter:
        shorter = without
    return shorter if shorter in own else strip_prefixes(name)


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
