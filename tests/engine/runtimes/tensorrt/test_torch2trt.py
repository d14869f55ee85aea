"""torch2trt is refused with a reason wherever it cannot work; where it can, it needs a GPU, which
no test has had yet.
"""

from __future__ import annotations

import sys
import types

import pytest

from configs import ConfigError, RuntimeUnavailableError
from engine.__main__ import main
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.library import Library
from engine.runtimes.tensorrt.torch2trt import build_with_torch2trt

PROFILE = Profile(smallest=(64, 64), usual=(64, 96), largest=(128, 128))


def library(name, version):
    return Library(name, types.SimpleNamespace(__version__=version), None)


@pytest.mark.parametrize(
    "name, version, message",
    [
        (
            "tensorrt",
            "11.4.1",
            r"builder flags that TensorRT 11\.4\.1 no longer has: "
            r"take --builder parser, or TensorRT 10",
        ),
        (
            "tensorrt_rtx",
            "1.2.0",
            "engines for tensorrt only, not for tensorrt_rtx: take --builder parser",
        ),
    ],
)
def test_a_library_that_it_cannot_build_for_is_refused(name, version, message, lite_onnx):
    with pytest.raises(ConfigError, match=message):
        build_with_torch2trt(library(name, version), lite_onnx, PROFILE, "fp16")


def test_without_it_what_to_install_is_said(lite_onnx, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch2trt", None)

    with pytest.raises(RuntimeUnavailableError, match="needs torch2trt: pip install git"):
        build_with_torch2trt(library("tensorrt", "10.13.0"), lite_onnx, PROFILE, "fp16")


def test_without_a_gpu_it_is_refused(lite_onnx, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch2trt", types.SimpleNamespace(torch2trt=None))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(RuntimeUnavailableError, match="runs the network on a CUDA GPU"):
        build_with_torch2trt(library("tensorrt", "10.13.0"), lite_onnx, PROFILE, "fp16")


def test_the_command_refuses_it_in_one_line(lite_onnx, tmp_path, monkeypatch, capfd):
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert (
        main(
            [
                "build",
                "--model",
                str(lite_onnx),
                "--runtime",
                "tensorrt_rtx",
                "--builder",
                "torch2trt",
            ]
        )
        == 2
    )

    errors = capfd.readouterr().err.splitlines()
    assert errors[-1].startswith("error: torch2trt makes engines for tensorrt only")
    assert not list(tmp_path.rglob("engine.plan"))
