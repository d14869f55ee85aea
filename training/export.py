"""A trained checkpoint as the ONNX model that every runtime executes."""

from __future__ import annotations

from pathlib import Path

from configs import ModelConfig
from configs.loading import from_mapping
from training.checkpoints import read_training_checkpoint


def export_checkpoint(checkpoint: Path, output: Path) -> None:
    """Writes the averaged weights of `checkpoint` (the last ones where no average was kept) to
    `output` as ONNX.

    Raises CheckpointError if the file is not one of ours; RuntimeUnavailableError if the package
    that writes ONNX is missing.
    """
    from engine import load_checkpoint, load_network
    from engine.onnx.export import export_onnx

    state = read_training_checkpoint(checkpoint)
    network = load_network(from_mapping(ModelConfig, state["model"], str(checkpoint)))
    load_checkpoint(network, checkpoint)
    trained = f"trained for {state['epoch']:.1f} epochs, {state['step']} steps, with preset {state['training']['name']!r}"
    export_onnx(network.eval(), output, fp16_weights=True, weights=trained)
