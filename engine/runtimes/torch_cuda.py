"""PyTorch on a CUDA GPU: FP16, channels last, CUDA graphs. NOT RUN YET: no GPU was at hand when
this was written.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs import ExecutionError, RuntimeUnavailableError, one_line
from engine.onnx.metadata import ModelMetadata
from engine.runtimes.base import OUTPUT_TYPES, Runtime, Slot, output_shapes
from engine.runtimes.device import Device
from engine.runtimes.gpus import Gpu, find_gpu, list_gpus

_WARM_UP = 3  # runs before a graph is recorded: cuDNN chooses its algorithms in them


@dataclass
class _Device:
    """A slot's pinned and device tensors, its recorded work, and the events after each step."""

    host_images: Any
    host_outputs: dict[str, Any]
    images: Any
    outputs: dict[str, Any]
    graph: Any
    uploaded: Any
    computed: Any
    downloaded: Any


class TorchCuda(Runtime):
    """Runs the network in half precision and what is around it in single. Every slot has a CUDA
    graph on its own buffers.
    """

    name = "torch_cuda"

    def __init__(
        self,
        path: Path,
        metadata: ModelMetadata,
        precision: str,
        device: Device = Device(),  # noqa: B008 - frozen
    ) -> None:
        import torch

        self._torch: Any = torch
        self.gpu: Gpu = find_gpu(device)
        self.device = self.gpu.kind
        self._place = torch.device("cuda", self.gpu.index)
        self.precision = precision
        self.metadata = metadata
        self.usual_batch = min(4, self.max_batch)
        try:
            self._graph: Any = self._load(path)
        except RuntimeError as error:  # out of memory
            raise ExecutionError(
                f"torch cannot put {metadata.model.name!r} on the GPU: {one_line(error)}"
            ) from error
        # As for TensorRT: one image goes up while another is computed and a third comes down.
        self._up, self._compute, self._down = (self._make_stream() for _ in range(3))
        # Recordings share what they compute in: they run one after the other, on one stream.
        self._pool: Any = torch.cuda.graph_pool_handle()

    @classmethod
    def check(cls) -> None:
        import torch

        if torch.version.cuda is None:
            raise RuntimeUnavailableError(
                f"torch {torch.__version__} is built without CUDA: pytorch.org has others"
            )
        if not torch.cuda.is_available():
            raise RuntimeUnavailableError(
                "torch finds no CUDA GPU: the driver may be older than torch's CUDA "
                f"{torch.version.cuda}"
            )
        compiled_for = torch.cuda.get_arch_list()
        gpus = list_gpus()
        if not any(has_kernels(gpu.capability, compiled_for) for gpu in gpus):
            raise RuntimeUnavailableError(
                f"torch {torch.__version__} has no kernels for {gpus[0].kind}: it was compiled for "
                f"{', '.join(compiled_for)}"
            )

    def _load(self, path: Path) -> Any:
        """What is recorded: image bytes to maps and candidates, on the GPU."""
        import torch

        from engine.networks.folding import fold_batch_normalisation
        from engine.onnx.graph import PoseGraph
        from engine.onnx.weights import load_exported_network

        kinds = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
        network = fold_batch_normalisation(load_exported_network(path)).to(kinds[self.precision])
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return PoseGraph(network, self.metadata.map_stride).to(self._place)

    def make_slot(self, height: int, width: int, batch: int = 1) -> Slot:
        with self._torch.cuda.device(self._place):
            return self._make_slot(height, width, batch)

    def _make_slot(self, height: int, width: int, batch: int) -> Slot:
        torch = self._torch
        shapes = output_shapes(self.metadata, height, width, batch)
        kinds = {
            name: torch.int32 if name in ("x", "y") else torch.float32 for name in OUTPUT_TYPES
        }
        image_shape = (batch, height, width, 3)
        try:
            host = {
                name: torch.zeros(shapes[name], dtype=kinds[name], pin_memory=True)
                for name in OUTPUT_TYPES
            }
            host_images = torch.zeros(image_shape, dtype=torch.uint8, pin_memory=True)
            images = torch.zeros(image_shape, dtype=torch.uint8, device=self._place)
            outputs = {
                name: torch.zeros(shapes[name], dtype=kinds[name], device=self._place)
                for name in OUTPUT_TYPES
            }
            graph = self._record(images, outputs)
        except torch.cuda.OutOfMemoryError as error:
            raise ExecutionError(
                f"not enough GPU memory for images {image_shape}: take a smaller input size"
            ) from error
        except RuntimeError as error:
            # The first kernels run here: a GPU that this build of torch has none for, memory that
            # cannot be pinned, a precision that cuDNN refuses.
            raise ExecutionError(
                f"torch cannot prepare for images {image_shape}: {one_line(error)}"
            ) from error
        for tensor in (images, *outputs.values()):
            for stream in (self._up, self._compute, self._down):
                # A slot that is dropped while it works: nobody else gets its memory before the end.
                tensor.record_stream(stream)
        events = (torch.cuda.Event(), torch.cuda.Event(), torch.cuda.Event(blocking=True))
        device = _Device(host_images, host, images, outputs, graph, *events)
        return Slot(
            host_images.numpy(),
            **{name: tensor.numpy() for name, tensor in host.items()},
            handle=device,
        )

    def submit(self, slot: Slot) -> Slot:
        device: _Device = slot.handle
        try:
            with self._torch.cuda.stream(self._up):
                device.images.copy_(device.host_images, non_blocking=True)
                device.uploaded.record(self._up)
            with self._torch.cuda.stream(self._compute):
                self._compute.wait_event(device.uploaded)
                device.graph.replay()
                device.computed.record(self._compute)
            with self._torch.cuda.stream(self._down):
                self._down.wait_event(device.computed)
                for name, tensor in device.host_outputs.items():
                    tensor.copy_(device.outputs[name], non_blocking=True)
                device.downloaded.record(self._down)
        except RuntimeError as error:
            raise ExecutionError(
                f"torch could not start on images {slot.images.shape}: {one_line(error)}"
            ) from error
        return slot

    def result(self, ticket: Slot) -> Slot:
        try:
            ticket.handle.downloaded.synchronize()
        except RuntimeError as error:
            raise ExecutionError(
                f"torch failed on images {ticket.images.shape}: {one_line(error)}"
            ) from error
        return ticket

    def close(self) -> None:
        for stream in (self._up, self._compute, self._down):
            with suppress(RuntimeError):  # what failed was reported by `result`
                stream.synchronize()
        self._graph = None  # slots that are still held keep their own memory

    def _make_stream(self) -> Any:
        return self._torch.cuda.Stream(self._place)

    def _record(self, images: Any, outputs: dict[str, Any]) -> Any:
        """The work from `images` to `outputs`, which no other recording writes to."""
        torch = self._torch
        # cuDNN tries its algorithms in the first run of a shape; TF32 is not the single precision
        # that was asked for.
        choosing = torch.backends.cudnn.flags(
            enabled=True, benchmark=True, allow_tf32=self.precision != "fp32"
        )
        with torch.inference_mode(), choosing:
            with torch.cuda.stream(self._compute):
                for _ in range(_WARM_UP):
                    self._graph(images)
            self._compute.synchronize()
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the GPU meanwhile: a second source's estimator, for one.
            with torch.cuda.graph(
                graph,
                pool=self._pool,
                stream=self._compute,
                capture_error_mode="thread_local",
            ):
                found = self._graph(images)
                for name, tensor in outputs.items():
                    tensor.copy_(getattr(found, name))
        return graph


def has_kernels(capability: tuple[int, int], architectures: Iterable[str]) -> bool:
    """Whether code for one of `architectures` runs on a GPU of that compute capability.

    Machine code (`sm_86`, `sm_90a`) runs on GPUs of its own generation that are not older, the
    intermediate one (`compute_90`) on all that are not older.
    """
    for architecture in architectures:
        kind, _, number = architecture.partition("_")
        digits = number.rstrip("af")
        compiled = (int(digits[:-1]), int(digits[-1]))
        if capability >= compiled and (kind == "compute" or capability[0] == compiled[0]):
            return True
    return False
