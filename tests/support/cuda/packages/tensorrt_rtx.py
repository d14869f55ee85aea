"""The stand-in as TensorRT-RTX: it compiles when an execution context is made, and keeps that."""

from __future__ import annotations

import enum

import tensorrt
from tensorrt import *  # noqa: F403

__version__ = "1.7.1"
BuilderFlag = enum.IntEnum("BuilderFlag", {"TF32": 0, "REQUIRE_USER_ALLOCATION": 1})
ComputeCapability = enum.IntEnum(
    "ComputeCapability", {"NONE": 0, "CURRENT": 1, "SM75": 75, "SM80": 80, "SM86": 86, "SM89": 89}
)
CudaGraphStrategy = enum.IntEnum("CudaGraphStrategy", {"DISABLED": 0})
DynamicShapesKernelSpecializationStrategy = enum.IntEnum(
    "DynamicShapesKernelSpecializationStrategy", {"LAZY": 0, "EAGER": 1, "NONE": 2}
)
compiled = 0  # times that kernels were


class _Cache:
    content = b""

    def deserialize(self, content):
        self.content = bytes(content)
        return content == b"kernels"

    def serialize(self):
        return self.content


class _RuntimeConfig:
    allocation = cache = None
    dynamic_shapes_kernel_specialization_strategy = DynamicShapesKernelSpecializationStrategy.LAZY

    def set_execution_context_allocation_strategy(self, strategy):
        self.allocation = strategy

    def create_runtime_cache(self):
        return _Cache()

    def set_runtime_cache(self, cache):
        self.cache = cache
        return True


class Engine(tensorrt.Engine):
    def create_runtime_config(self):
        return _RuntimeConfig()

    def create_execution_context(self, config):
        global compiled
        strategies = DynamicShapesKernelSpecializationStrategy
        assert config.dynamic_shapes_kernel_specialization_strategy is strategies.EAGER
        if config.cache.content != b"kernels":
            compiled += 1
            config.cache.content = b"kernels"
        return super().create_execution_context(config.allocation)


class Runtime(tensorrt.Runtime):
    def deserialize_cuda_engine(self, serialised):
        loaded = super().deserialize_cuda_engine(serialised)
        return None if loaded is None else Engine(loaded.shapes)
