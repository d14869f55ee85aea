"""`python -m engine runtimes` tells the truth: machines are made of a driver in memory."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import types

import pytest

from engine.runtimes.registry import RUNTIMES, describe_runtimes
from engine.runtimes.torch_cuda import has_kernels
from tests.support.cuda import environment, on_driver

GPU_RUNTIMES = ("tensorrt", "tensorrt_rtx", "torch_cuda")


def test_without_a_driver_no_runtime_of_gpus_can_be_used(monkeypatch):
    def missing():
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr("engine.runtimes.registry.load_driver", missing)
    monkeypatch.setattr(
        "engine.runtimes.registry._has_cuda_driver",
        describe_runtimes.__globals__["_has_cuda_driver"].__wrapped__,
    )

    states = describe_runtimes()

    for name in GPU_RUNTIMES:
        assert states[name] == f"no: {name} needs a CUDA GPU, and this machine has no CUDA driver"
    assert states["onnxruntime"].startswith("yes: ")


@on_driver
def test_a_driver_without_a_gpu_is_not_enough():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUBLE_DEVICES", "0")
        states = describe_runtimes()
    assert states["tensorrt"] == "no: tensorrt finds no CUDA GPU", states["tensorrt"]
    assert states["tensorrt_rtx"] == "no: tensorrt_rtx finds no CUDA GPU"


@on_driver
def test_a_driver_without_pycuda_is_not_enough():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pycuda.driver", None)
        states = describe_runtimes()
    assert states["tensorrt"].startswith("no: tensorrt needs pycuda"), states["tensorrt"]
    assert states["tensorrt_rtx"].startswith("no: tensorrt_rtx needs pycuda")


@on_driver
def test_a_driver_that_does_not_start_says_why():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUBLE_INIT", "803")
        states = describe_runtimes()
    assert states["tensorrt"].startswith("no: the CUDA driver cannot start: error 803"), states


@on_driver
def test_torch_for_the_cpu_says_so_where_a_driver_is():
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.version, "cuda", None)
        patch.setattr(torch, "__version__", "2.13.0+cpu")
        states = describe_runtimes()
    assert states["torch_cuda"].startswith("no: torch 2.13.0+cpu is built without CUDA"), states
    assert states["torch_cpu"] == "yes: 2.13.0+cpu"


@on_driver
def test_a_gpu_that_is_too_old_is_named_with_what_is_served():
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUBLE_CAPABILITY", "61")
        patch.setattr(torch.version, "cuda", "13.0")
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "compute_120"])
        states = describe_runtimes()
    gpu = "Memory 0 (compute capability 6.1)"
    assert states["tensorrt"] == (
        f"no: tensorrt 10.13.0 does not serve {gpu}: it serves compute capability 7.5 and newer"
    ), states["tensorrt"]
    assert states["tensorrt_rtx"] == (
        f"no: tensorrt_rtx 1.7.1 does not serve {gpu}: it serves kinds SM75, SM80, SM86, SM89"
    ), states["tensorrt_rtx"]
    assert f"has no kernels for {gpu}: it was compiled for sm_75, sm_80" in states["torch_cuda"]


@on_driver
def test_tensorrt_rtx_is_not_for_gpus_of_data_centres():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUBLE_CAPABILITY", "90")
        states = describe_runtimes()
    assert states["tensorrt"] == "yes: 10.13.0"
    assert "does not serve Memory 0 (compute capability 9.0)" in states["tensorrt_rtx"], states


@on_driver
def test_where_all_is_well_every_runtime_says_so():
    """A torch that is built for CUDA would ask NVIDIA's own runtime, which the driver in memory
    does not serve, and torch2trt is on no index: what this project asks of them is answered here.
    """
    import torch

    torch2trt = types.ModuleType("torch2trt")  # which tells its version to pip alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOUBLE_CAPABILITY", "86")
        patch.setattr(torch.version, "cuda", "13.0")
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_90", "compute_120"])
        patch.setitem(sys.modules, "torch2trt", torch2trt)
        patch.setattr(importlib.metadata, "version", {"torch2trt": "0.5.0"}.__getitem__)
        states = describe_runtimes()

    assert states.keys() == RUNTIMES.keys()
    assert states["tensorrt"] == "yes: 10.13.0", states
    assert states["tensorrt_rtx"] == "yes: 1.7.1", states
    assert states["torch_cuda"] == states["torch_cpu"] == f"yes: {torch.__version__}", states
    assert states["torch2trt"] == "yes: 0.5.0", states
    for name in ("onnxruntime", "openvino"):
        installed = importlib.util.find_spec(RUNTIMES[name].package) is not None
        assert states[name].startswith("yes: ") is installed, states


def test_the_command_says_what_works(cuda_libraries):
    done = subprocess.run(
        [sys.executable, "-m", "engine", "runtimes"],
        env=environment(cuda_libraries, DOUBLE_CAPABILITY="86"),
        capture_output=True,
        text=True,
        check=True,
    )

    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "yes: 10.13.0" in rows["tensorrt"]
    assert "yes: 1.7.1" in rows["tensorrt_rtx"]
    for name in ("openvino", "onnxruntime", "torch_cpu"):
        installed = importlib.util.find_spec(RUNTIMES[name].package) is not None
        assert ("yes: " in rows[name]) is installed
    # The driver in memory is none that torch's own CUDA could start on.
    assert re.search("no: torch .*(is built without CUDA|finds no CUDA GPU)", rows["torch_cuda"])
    assert done.stderr == ""


@pytest.mark.parametrize(
    "capability, architectures, runs",
    [
        ((6, 1), ["sm_75", "sm_80", "compute_120"], False),
        ((8, 7), ["sm_80", "sm_90"], True),  # the same generation, and newer
        ((8, 0), ["sm_86"], False),
        ((12, 1), ["sm_90a", "compute_90"], True),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["sm_90", "sm_120"], False),
        ((7, 5), [], False),
    ],
)
def test_code_runs_on_gpus_of_its_generation_or_is_compiled_there(capability, architectures, runs):
    assert has_kernels(capability, architectures) is runs
