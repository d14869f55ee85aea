"""Checkpoint files: what is in them, in every form that HigherHRNet weights are found in.

Bare state dicts; `{'state_dict': ...}` and `{'model': ...}` around them; half-precision tensors;
and this project's training checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from configs import CheckpointError

TRAINING_FORMAT = "higherhrnet-stream"

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
_BEGINNINGS = (
    (
        b"version https://git-lfs",
        "it is a Git LFS pointer, fetch the file itself with git lfs pull",
    ),
    (b"<", "it looks like a web page, the download has failed"),
    (b"PK\x03\x04", "it is damaged or cut off, fetch it again"),
    (b"\x80", "it is damaged or cut off, fetch it again"),
    (b"\x08", "it looks like an ONNX model, give it as the model itself"),
)


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file, out of whatever is wrapped around it, with the names it has there.

    Raises:
        CheckpointError: The file cannot be read, is not a PyTorch file, or holds no state dict.
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
    """What `torch.load` finds in a file, on the CPU and with `weights_only=True`.

    Raises:
        CheckpointError: The file cannot be read, or is not a PyTorch file.
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


def describe_file(path: Path) -> str:
    """Why the file is not a checkpoint, judged by its first bytes."""
    if path.is_dir():
        return "it is a folder"
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "it is empty"
    for beginning, meaning in _BEGINNINGS:
        if start.lstrip().startswith(beginning):
            return meaning
    return f"it begins with {start[:16]!r}"


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
