"""A stand-in for TensorRT 10 on the driver in memory: outputs are a checksum of their own image.

It builds "engines" that hold their profile and nothing else. Execution contexts insist on memory
that was given to them, and two that run in the same memory at a time spoil each other's outputs.
"""

from __future__ import annotations

import ctypes
import enum
import json

__version__ = "10.13.0"
SCRATCH_BYTES = 4096
DELAY_US = 300
JOINTS, TAGS, CANDIDATES, STRIDE = 17, 2, 30, 2  # of the model lite
_driver = ctypes.CDLL("libcuda.so.1")
alive = {"engines": 0, "contexts": 0}
loads = True  # whether engines load


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class BuilderFlag(enum.IntEnum):
    TF32 = 0


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class ExecutionContextAllocationStrategy(enum.IntEnum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class PreviewFeature:
    pass


class _Pose(ctypes.Structure):
    _fields_ = [
        ("images", ctypes.c_uint64),
        ("image_bytes", ctypes.c_uint64),
        ("batch", ctypes.c_int32),
        ("outputs", ctypes.c_int32),
        ("output", ctypes.c_uint64 * 8),
        ("count", ctypes.c_uint64 * 8),
        ("integer", ctypes.c_int32 * 8),
        ("scratch", ctypes.c_uint64),
        ("delay_us", ctypes.c_int32),
    ]


class Context:
    def __init__(self, engine):
        self.engine = engine
        self.shape = self.memory = None
        self.addresses = {}
        alive["contexts"] += 1

    def __del__(self):
        alive["contexts"] -= 1

    def set_device_memory(self, memory, size):
        assert size >= self.engine.device_memory_size_v2
        self.memory = memory

    def set_input_shape(self, name, shape):
        self.shape = tuple(shape)
        low, high = self.engine.shapes[0], self.engine.shapes[-1]
        return all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        assert self.memory is not None, "no memory was given"
        images, height, width, _ = self.shape
        pixels = (height // STRIDE) * (width // STRIDE)
        counts = {
            "heatmaps": JOINTS * pixels,
            "tags": JOINTS * TAGS * pixels,
            "x": JOINTS * CANDIDATES,
            "y": JOINTS * CANDIDATES,
            "score": JOINTS * CANDIDATES,
            "tag": JOINTS * CANDIDATES * TAGS,
        }
        pose = _Pose(
            images=self.addresses["image"],
            image_bytes=height * width * 3,
            batch=images,
            outputs=len(counts),
            scratch=self.memory,
            delay_us=DELAY_US,
        )
        for index, (name, count) in enumerate(counts.items()):
            pose.output[index], pose.count[index] = self.addresses[name], count
            pose.integer[index] = name in "xy"
        return _driver.double_run(ctypes.c_void_p(stream), ctypes.byref(pose)) == 0


class Engine:
    device_memory_size_v2 = SCRATCH_BYTES

    def __init__(self, shapes):
        self.shapes = shapes
        alive["engines"] += 1

    def __del__(self):
        alive["engines"] -= 1

    def create_execution_context(self, strategy=ExecutionContextAllocationStrategy.STATIC):
        assert strategy == ExecutionContextAllocationStrategy.USER_MANAGED
        return Context(self)


class Runtime:
    last_logger = None

    def __init__(self, logger):
        Runtime.last_logger = logger

    def deserialize_cuda_engine(self, serialised):
        return Engine(json.loads(serialised)) if loads else None


class _Profile:
    def set_shape(self, name, *shapes):
        self.shapes = shapes


class _Config:
    num_compute_capabilities = 0

    def set_compute_capability(self, capability, index):
        assert index < self.num_compute_capabilities

    def add_optimization_profile(self, profile):
        self.profile = profile

    def create_timing_cache(self, stored):
        return None

    def set_memory_pool_limit(self, pool, size):
        pass

    def set_flag(self, flag):
        pass

    clear_flag = set_flag


class _Network:
    num_layers = 0


class Builder:
    def __init__(self, logger):
        pass

    def create_network(self, flags):
        return _Network()

    def create_builder_config(self):
        return _Config()

    def create_optimization_profile(self):
        return _Profile()

    def build_serialized_network(self, network, config):
        return json.dumps(config.profile.shapes).encode()


class OnnxParser:
    num_errors = 0

    def __init__(self, network, logger):
        pass

    def parse(self, model):
        return True
