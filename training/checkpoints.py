"""Checkpoints: all that a training needs to go on as if it had not been interrupted.

A checkpoint is a file that `torch.load(weights_only=True)` reads: a dictionary with `format`
('higherhrnet-stream'), `model` (the network's configuration), `network`, `ema` (averaged weights or
none), `optimizer`, `training` (the run's configuration), and the run's state: `step`, `elapsed_s`,
`best`, `set_sizes`, `meter`, `rng`.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from configs import CheckpointError

FORMAT = "higherhrnet-stream"


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Writes `content` and `format` to `path`, completely or not at all; what was there before
    stays until the new is on disk.

    Raises CheckpointError if it cannot be written.
    """
    buffer = io.BytesIO()  # torch's own writer turns a full disk into an error without a reason
    torch.save({"format": FORMAT, **content}, buffer)
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        kept = "; the previous one is intact" if path.exists() else ""
        raise CheckpointError(
            f"cannot write the checkpoint {str(path)!r}: {error.strerror}{kept}; make room and "
            "resume from it"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()


def read_training_checkpoint(path: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote, on the CPU. Raises CheckpointError if the file is not one of
    ours.
    """
    from engine.checkpoints.reading import read_checkpoint

    content = read_checkpoint(path)
    if (
        not isinstance(content, dict)
        or content.get("format") != FORMAT
        or "training" not in content
    ):
        raise CheckpointError(
            f"{str(path)!r} is not a training checkpoint; to start from its weights use "
            "--initial-weights"
        )
    return content
