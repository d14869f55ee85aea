"""ONNX Runtime on the CPU: the runtime that is always installed."""

from __future__ import annotations

from pathlib import Path

from basics.hardware import usable_cores
from basics.paths import utf8_path
from configs import ExecutionError, ModelError, one_line
from engine.onnx.metadata import INPUT_NAME, ModelMetadata
from engine.runtimes.base import BlockingRuntime, Slot, allocate_slot


class OnnxRuntime(BlockingRuntime):
    """Runs the exported graph in single precision. Slots' buffers are bound to it, so nothing is
    copied.
    """

    name = "onnxruntime"
    device = "cpu"

    def __init__(self, path: Path, metadata: ModelMetadata, precision: str) -> None:
        import onnxruntime

        super().__init__()
        self.precision = precision
        self.metadata = metadata
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        options.log_severity_level = 3  # errors; its warnings are about its own optimisations
        # Its threads would otherwise spin between two frames, and take the cores from decoding,
        # grouping and drawing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            with utf8_path(path) as name:
                self._session = onnxruntime.InferenceSession(
                    name, options, providers=["CPUExecutionProvider"]
                )
        except Exception as error:  # its exceptions have no common base that is public
            raise ModelError(f"onnxruntime cannot load {str(path)!r}: {one_line(error)}") from error

    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        slot = allocate_slot(self.metadata, height, width, batch)
        binding = self._session.io_binding()
        binding.bind_input(
            INPUT_NAME, "cpu", 0, slot.images.dtype.type, slot.images.shape, slot.images.ctypes.data
        )
        for name, array in slot.outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        slot.handle = binding
        return slot

    def _run(self, slot: Slot) -> Slot:
        try:
            self._session.run_with_iobinding(slot.handle)
        except Exception as error:
            raise ExecutionError(
                f"onnxruntime failed on images {slot.images.shape}: {one_line(error)}"
            ) from error
        return slot
