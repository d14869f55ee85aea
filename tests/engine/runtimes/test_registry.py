"""`auto` gets by whatever fails, and `python -m engine runtimes` says what `open_runtime` would."""

from __future__ import annotations

import dataclasses
import logging
import re
import sys
import types

import pytest
import torch

from configs import ExecutionError
from engine.onnx.metadata import read_metadata
from engine.runtimes import RUNTIMES, open_runtime, registry
from engine.runtimes.torch_cpu import TorchCpu


@pytest.fixture
def driver(monkeypatch):
    """A machine with a CUDA driver, and nothing behind it."""
    monkeypatch.setattr(registry, "_has_cuda_driver", lambda: True)


@pytest.fixture
def faulty(monkeypatch, driver):
    """Makes the first runtime of `auto` one that computes, on a GPU so to speak, and fails."""

    def install(method, error):
        def fail(*arguments, **keywords):
            raise error

        entry = dataclasses.replace(RUNTIMES["torch_cuda"], home="torch_cpu.TorchCpu")
        candidates = (entry, RUNTIMES["onnxruntime"])
        monkeypatch.setitem(registry.CANDIDATES, "auto", candidates)
        monkeypatch.setitem(registry.CANDIDATES, "torch_cuda", (entry,))
        monkeypatch.setattr(TorchCpu, method, fail)

    return install


@pytest.mark.parametrize("method", ["__init__", "make_slot", "submit", "result"])
@pytest.mark.parametrize(
    "error",
    [
        TypeError("pybind11::init(): factory function\n returned nullptr"),
        RuntimeError("CUDA error: no kernel image is available"),
        OSError("libcudart.so.13: cannot open shared object file"),
        ExecutionError("not enough GPU memory"),
    ],
)
def test_auto_takes_the_next_whatever_fails_and_says_why_in_one_line(
    method, error, faulty, lite_onnx, caplog
):
    faulty(method, error)

    with open_runtime(lite_onnx, read_metadata(lite_onnx)) as runtime:
        assert runtime.name == "onnxruntime"

    (said,) = [line for line in caplog.messages if "not taken" in line]
    assert said.startswith("runtime torch_cuda not taken: ")
    assert " ".join(str(error).split()) in said and "\n" not in said


def test_a_runtime_that_was_asked_for_and_fails_is_one_line(faulty, lite_onnx):
    faulty("make_slot", TypeError("factory function\nreturned nullptr"))

    with pytest.raises(ExecutionError) as caught:
        open_runtime(lite_onnx, read_metadata(lite_onnx), "torch_cuda")
    assert str(caught.value) == "torch_cuda could not start: factory function returned nullptr"


def test_a_gpu_that_is_not_used_is_mentioned(driver, lite_onnx, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with (
        caplog.at_level(logging.WARNING),
        open_runtime(lite_onnx, read_metadata(lite_onnx)) as runtime,
    ):
        assert runtime.device == "cpu"

    assert re.search(
        r"runtime torch_cuda not taken: torch .* (without CUDA|no CUDA GPU)", caplog.text
    )


def test_without_a_driver_nothing_is_said_of_gpus(lite_onnx, monkeypatch, caplog):
    monkeypatch.setattr(registry, "_has_cuda_driver", lambda: False)

    with caplog.at_level(logging.WARNING), open_runtime(lite_onnx, read_metadata(lite_onnx)):
        pass

    assert not caplog.text


def test_the_states_are_those_that_opening_would_meet(driver, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", types.SimpleNamespace(__version__="1.7"))
    for name in ("pycuda", "pycuda.driver", "tensorrt"):
        monkeypatch.setitem(sys.modules, name, None)

    states = registry.describe_runtimes()

    assert re.match(r"no: torch .* (is built without CUDA|finds no CUDA GPU)", states["torch_cuda"])
    assert states["tensorrt"].startswith("no: tensorrt is not installed")
    assert states["tensorrt_rtx"].startswith("no: tensorrt_rtx needs pycuda")
    assert states["torch_cpu"].startswith(f"yes: {torch.__version__}")
