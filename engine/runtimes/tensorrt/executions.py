"""Execution contexts of a TensorRT engine: one for each shape that slots have, all in one block of
scratch memory.
"""

from __future__ import annotations

import logging
import weakref
from pathlib import Path
from typing import Any

from basics.atomic import atomic_path
from configs import ConfigError, ExecutionError
from engine.onnx.metadata import INPUT_NAME
from engine.runtimes.tensorrt.library import Library
from engine.runtimes.tensorrt.memory import GpuContext, abandon

_CACHE_NAME = "kernels.cache"
logger = logging.getLogger(__name__)


class Execution:
    """An execution context for images of one shape.

    Attributes:
        context: TensorRT's own; None once it was closed.
    """

    def __init__(self, gpu: GpuContext, context: Any) -> None:
        self._gpu = gpu
        self.context: Any = context

    def close(self) -> None:
        """Frees it, while the GPU's context is current; may be called more than once."""
        self.context = None

    def __del__(self) -> None:
        if self.context is not None:
            with self._gpu.current():
                self.close()


class Executions:
    """Makes execution contexts, and keeps each for as long as somebody holds it.

    They run one after the other, on one stream, so that they can share scratch memory: TensorRT
    would give each as much as the largest shape needs. Recorded graphs have its address, so that it
    stays where it is.
    """

    def __init__(self, library: Library, gpu: GpuContext, engine: Any, folder: Path) -> None:
        """For an engine that lies in `folder`; the GPU's context is current."""
        self._library = library
        self._gpu = gpu
        self._engine = engine
        self._cache_path = folder / _CACHE_NAME
        self._known: weakref.WeakValueDictionary[tuple[int, ...], Execution] = (
            weakref.WeakValueDictionary()
        )
        self._config, self._cache = self._configure()
        size = getattr(engine, "device_memory_size_v2", None)  # from 10.1 on
        self._scratch_bytes = int(engine.device_memory_size if size is None else size)
        self._scratch: Any = None

    def of_shape(self, shape: tuple[int, ...]) -> Execution:
        """The execution for images (N, H, W, 3), while the GPU's context is current.

        Raises:
            ConfigError: The engine does not take the shape.
            ExecutionError: There is not enough memory.
        """
        found = self._known.get(shape)
        if found is not None:
            return found
        if self._scratch is None and self._scratch_bytes:
            self._scratch = self._gpu.cuda.mem_alloc(self._scratch_bytes)
        made = Execution(self._gpu, self._make())
        if made.context is None:
            raise ExecutionError(
                f"{self._library.name} has not enough GPU memory for images {shape}: take a "
                "smaller input size"
            )
        if self._scratch is not None:
            if hasattr(made.context, "set_device_memory"):
                made.context.set_device_memory(int(self._scratch), self._scratch_bytes)
            else:
                made.context.device_memory = int(self._scratch)
        if not made.context.set_input_shape(INPUT_NAME, shape):
            raise ConfigError(
                f"images {shape} are outside of the engine's sizes: build one with python -m "
                "engine build"
            )
        self._known[shape] = made
        return made

    def close(self, *, abandon_memory: bool) -> None:
        """Frees everything, while the GPU's context is current; keeps what was compiled.

        Args:
            abandon_memory: The context is dead, and nothing can be freed on it.
        """
        if not abandon_memory:
            self._write_cache()
        for execution in list(self._known.values()):
            execution.close()
        if self._scratch is not None:
            if abandon_memory:
                abandon(self._scratch)
            else:
                self._scratch.free()
            self._scratch = None
        self._config = self._cache = self._engine = None

    def _make(self) -> Any:
        if self._config is not None:
            return self._engine.create_execution_context(self._config)
        strategies = getattr(self._library.module, "ExecutionContextAllocationStrategy", None)
        if strategies is None:  # before 10
            return self._engine.create_execution_context_without_device_memory()
        return self._engine.create_execution_context(strategies.USER_MANAGED)

    def _configure(self) -> tuple[Any, Any]:
        """TensorRT-RTX compiles kernels for this GPU: before the first run, so that no graph holds
        those that stand in meanwhile, and once, not at every start.
        """
        strategies = getattr(
            self._library.module, "DynamicShapesKernelSpecializationStrategy", None
        )
        if strategies is None:
            return None, None
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(
            self._library.module.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        cache = config.create_runtime_cache()
        if self._cache_path.is_file() and not cache.deserialize(self._cache_path.read_bytes()):
            logger.info("%s is of another GPU or driver: kernels are compiled", self._cache_path)
        config.set_runtime_cache(cache)
        return config, cache

    def _write_cache(self) -> None:
        if self._cache is None:
            return
        compiled = bytes(self._cache.serialize())
        try:
            if not self._cache_path.is_file() or self._cache_path.read_bytes() != compiled:
                with atomic_path(self._cache_path) as path:
                    path.write_bytes(compiled)
        except OSError as error:
            logger.info("compiled kernels are not kept: %s", error)
