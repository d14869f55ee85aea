"""torch on a GPU: its order of work, seen on a stand-in for `torch.cuda` on the CPU."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from configs import ExecutionError
from engine.onnx.graph import PoseGraph
from engine.onnx.metadata import read_metadata
from engine.runtimes.torch_cuda import TorchCuda


class Event:
    def __init__(self, blocking=False):
        self.stream = None

    def record(self, stream):
        self.stream = stream
        Cuda.log.append(("record", stream.name))

    def synchronize(self):
        Cuda.log.append(("wait", self.stream.name))


class Stream:
    names = iter(())

    def __init__(self, place):
        self.name = next(Stream.names)

    def wait_event(self, event):
        Cuda.log.append((self.name, "after", event.stream.name))

    def synchronize(self):
        if Cuda.dead:
            raise RuntimeError("CUDA error: an illegal memory access")


class CUDAGraph:
    def replay(self):
        Cuda.log.append(("replay", Cuda.current.name))
        with torch.inference_mode():
            self.again()


class Cuda:
    """The part of `torch.cuda` that is used; `log` is what happened in which order."""

    Event, Stream, CUDAGraph = Event, Stream, CUDAGraph
    OutOfMemoryError = torch.cuda.OutOfMemoryError
    log: list = []  # noqa: RUF012 - set anew for every test
    dead = False
    current = None

    @staticmethod
    @contextmanager
    def stream(stream):
        before, Cuda.current = Cuda.current, stream
        yield
        Cuda.current = before

    @staticmethod
    @contextmanager
    def device(place):
        yield

    @staticmethod
    @contextmanager
    def graph(graph, *, pool, stream, capture_error_mode):
        assert capture_error_mode == "thread_local"
        assert pool == "pool"
        yield

    @staticmethod
    def graph_pool_handle():
        return "pool"


class Torch:
    cuda = Cuda

    def __getattr__(self, name):
        return getattr(torch, name)

    def zeros(self, *arguments, pin_memory=False, **keywords):
        return torch.zeros(*arguments, **keywords)


@pytest.fixture
def runtime(lite_network, lite_onnx, monkeypatch):
    Stream.names = iter(("up", "compute", "down"))
    Cuda.log, Cuda.dead = [], False
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
    made = TorchCuda.__new__(TorchCuda)
    parts = {
        "_torch": Torch(),
        "_place": torch.device("cpu"),
        "metadata": read_metadata(lite_onnx),
        "precision": "fp32",
        "_graph": PoseGraph(lite_network),
        "_pool": "pool",
    }
    for name, value in parts.items():
        setattr(made, name, value)
    for name in ("_up", "_compute", "_down"):
        setattr(made, name, Stream("cpu"))
    record = made._record  # noqa: SLF001 - what a real graph does by itself

    def replayable(images, outputs):
        graph = record(images, outputs)

        def again():
            found = PoseGraph(lite_network)(images)
            for name, tensor in outputs.items():
                tensor.copy_(getattr(found, name))

        graph.again = again
        return graph

    monkeypatch.setattr(made, "_record", replayable)
    return made


def test_images_go_up_are_computed_and_come_down_on_streams_of_their_own(runtime, lite_network):
    slot = runtime.make_slot(64, 96)
    slot.images[:] = np.random.default_rng(3).integers(0, 255, slot.images.shape, np.uint8)

    assert runtime.result(runtime.submit(slot)) is slot

    with torch.inference_mode():
        expected = PoseGraph(lite_network)(torch.from_numpy(slot.images))
    for name, found in slot.outputs.items():
        np.testing.assert_allclose(found, getattr(expected, name).numpy(), rtol=1e-5, atol=1e-5)
    assert Cuda.log == [
        ("record", "up"),
        ("compute", "after", "up"),
        ("replay", "compute"),
        ("record", "compute"),
        ("down", "after", "compute"),
        ("record", "down"),
        ("wait", "down"),
    ]


def test_closing_after_an_error_adds_none(runtime):
    Cuda.dead = True
    runtime.close()


def test_memory_that_is_out_is_a_line(runtime, monkeypatch):
    def fail(*arguments):
        raise torch.cuda.OutOfMemoryError("out of memory")

    monkeypatch.setattr(runtime, "_record", fail)
    with pytest.raises(ExecutionError, match="not enough GPU memory for images"):
        runtime.make_slot(64, 64)
