"""PyTorch on the CPU: what the other runtimes are measured against."""

from __future__ import annotations

from pathlib import Path

from configs import ExecutionError, one_line
from engine.onnx.metadata import ModelMetadata
from engine.runtimes.base import BlockingRuntime, Slot, allocate_slot


class TorchCpu(BlockingRuntime):
    """Runs the graph of the network that the exported file holds, eagerly, in single precision."""

    name = "torch_cpu"
    device = "cpu"

    def __init__(self, path: Path, metadata: ModelMetadata, precision: str) -> None:
        import torch

        from engine.onnx.graph import PoseGraph
        from engine.onnx.weights import load_exported_network

        super().__init__()
        self.precision = precision
        self.metadata = metadata
        self._torch = torch
        self._graph = PoseGraph(load_exported_network(path), metadata.map_stride)

    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        return allocate_slot(self.metadata, height, width, batch)

    def _run(self, slot: Slot) -> Slot:
        try:
            with self._torch.inference_mode():
                outputs = self._graph(self._torch.from_numpy(slot.images))
                for name, array in slot.outputs.items():
                    self._torch.from_numpy(array).copy_(getattr(outputs, name))
        except RuntimeError as error:
            raise ExecutionError(
                f"torch failed on images {slot.images.shape}: {one_line(error)}"
            ) from error
        return slot
