"""Checkpoints: all that a training needs to go on as if it had not been interrupted.

A checkpoint is a file that `torch.load(weights_only=True)` reads: a dictionary with `format`
('higherhrnet-stream'), `model` (the network's configuration), `network`, `ema` (averaged weights or
None), `optimizer`, `training` (the run's configuration), and the run's state: `step`, `elapsed_s`,
`best`, `set_sizes`, `meter`, `rng`.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from basics.atomic import atomic_path
from configs import CheckpointError, ModelConfig
from configs.loading import from_mapping

FORMAT = "higherhrnet-stream"


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint whole or not at all; what was there before stays until the new is on
    disk.

    Args:
        path: The file.
        content: All keys of the checkpoint but `format`.

    Raises:
        CheckpointError: It cannot be written.
    """
    buffer = io.BytesIO()  # torch's own writer turns a full disk into an error without a reason
    torch.save({"format": FORMAT, **content}, buffer)
    try:
        with atomic_path(path, durable=True) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except OSError as error:
        kept = "; the previous one is intact" if path.exists() else ""
        raise CheckpointError(
            f"cannot write the checkpoint {str(path)!r}: {error.strerror}{kept}; make room and "
            "resume from it"
        ) from error


def read_training_checkpoint(path: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote, on the CPU.

    Raises:
        CheckpointError: The file cannot be read, or was not written by a training.
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


def export_checkpoint(checkpoint: Path, output: Path) -> None:
    """Writes the weights of a checkpoint as the ONNX model that every runtime executes.

    Args:
        checkpoint: Its averaged weights are taken, or the last ones where no average was kept.
        output: The ONNX file.

    Raises:
        CheckpointError: The file was not written by a training.
        RuntimeUnavailableError: The package that writes ONNX is missing.
    """
    from engine import load_checkpoint, load_network
    from engine.onnx.export import export_onnx

    state = read_training_checkpoint(checkpoint)
    network = load_network(from_mapping(ModelConfig, state["model"], str(checkpoint)))
    load_checkpoint(network, checkpoint)
    preset = state["training"]["name"]
    trained = (
        f"trained for {state['epoch']:.1f} epochs, {state['step']} steps, with preset {preset!r}"
    )
    export_onnx(network.eval(), output, fp16_weights=True, weights=trained)
