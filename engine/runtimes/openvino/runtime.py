"""OpenVINO on the CPU: the fastest there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from basics.hardware import usable_cores
from configs import ExecutionError, ModelError, one_line
from engine.onnx.metadata import INPUT_NAME, ModelMetadata
from engine.runtimes.base import Runtime, Slot, Workload, allocate_slot
from engine.runtimes.openvino.passes import rewrite_for_cpu
from engine.runtimes.openvino.quantisation import find_quantised, read_quantised
from engine.runtimes.openvino.signal_stack import kept_signal_stack

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # of what is not quantised
logger = logging.getLogger(__name__)


class OpenVino(Runtime):
    """Runs the exported graph, compiled for each size of input that it meets.

    One graph for all sizes would do, but a graph that knows its size takes 8 instead of 11 ms
    (lite, 320x448, bf16, two cores). Every slot has a request of its own on its buffers; requests
    run one after the other, each on all cores, or as many at a time as there are streams.
    """

    name = "openvino"
    device = "cpu"

    def __init__(
        self,
        path: Path,
        metadata: ModelMetadata,
        precision: str,
        engine_folder: Path | None = None,
        workload: Workload | None = None,
    ) -> None:
        import openvino

        self.precision = precision
        self.metadata = metadata
        self.streams = 1 if workload is None else min(workload.streams, usable_cores())
        self._tensor: Any = openvino.Tensor
        self._core = openvino.Core()
        packed = (
            find_quantised(path, metadata.model.name, engine_folder)
            if precision == "int8"
            else None
        )
        try:
            with kept_signal_stack():
                if packed is not None:
                    self._model = read_quantised(self._core, openvino.Tensor, packed)
                else:
                    self._model = self._core.read_model(str(path))
        except Exception as error:  # RuntimeError, and whatever its readers raise
            raise ModelError(f"openvino cannot load {str(path)!r}: {one_line(error)}") from error
        if packed is None:  # else they were taken before the quantisation
            passes = rewrite_for_cpu(self._model, single_precision=precision == "fp32")
            logger.debug("passes that %s took: %s", metadata.model.name, passes)
        self._compiled: dict[tuple[int, ...], Any] = {}

    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        slot = allocate_slot(self.metadata, height, width, batch)
        compiled = self._compile(slot.images.shape)
        with kept_signal_stack():
            request = compiled.create_infer_request()
        request.set_tensor(INPUT_NAME, self._tensor(slot.images, shared_memory=True))
        for name, array in slot.outputs.items():
            request.set_tensor(name, self._tensor(array, shared_memory=True))
        slot.handle = request
        return slot

    def submit(self, slot: Slot) -> Slot:
        slot.handle.start_async()
        return slot

    def result(self, ticket: Slot) -> Slot:
        try:
            ticket.handle.wait()
        except Exception as error:
            raise ExecutionError(
                f"openvino failed on images {ticket.images.shape}: {one_line(error)}"
            ) from error
        return ticket

    def close(self) -> None:
        with kept_signal_stack():
            self._compiled.clear()

    def _compile(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            model = self._model.clone()
            model.reshape(list(shape))
            # The precision is always set: left alone, OpenVINO quietly takes bf16 on CPUs that have
            # it.
            config = {
                "NUM_STREAMS": self.streams,
                "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
                "INFERENCE_NUM_THREADS": usable_cores(),
            }
            logger.debug("openvino compiles %s for images %s", self.metadata.model.name, shape)
            try:
                with kept_signal_stack():
                    self._compiled[shape] = self._core.compile_model(model, "CPU", config)
            except Exception as error:
                raise ExecutionError(
                    f"openvino cannot compile the model for images {shape}: {one_line(error)}"
                ) from error
            self._check_precision(self._compiled[shape])
        return self._compiled[shape]

    def _check_precision(self, compiled: Any) -> None:
        """Raises ExecutionError where bf16 was asked for and OpenVINO took single precision without
        a word, as it does on processors that have no bf16: what is said would not be what computes.
        """
        if self.precision != "bf16":
            return
        with kept_signal_stack():
            used = convolution_precisions(compiled)
        if "bf16" not in used:
            raise ExecutionError(
                "this processor does not compute in bf16 "
                f"(openvino took {', '.join(sorted(used))}); use --precision fp32"
            )


def convolution_precisions(compiled: Any) -> set[str]:
    """In which precisions the convolutions of a compiled model really compute, in OpenVINO's words.

    Args:
        compiled: An `openvino.CompiledModel`.

    Returns:
        Such as `{"bf16"}` or `{"f32"}`.
    """
    found = set()
    for operation in compiled.get_runtime_model().get_ops():
        facts = operation.get_rt_info()
        if "onvolution" in str(facts["layerType"].value):
            found.add(str(facts["runtimePrecision"].value))
    return found
