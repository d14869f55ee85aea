"""Devices are parsed once, and a runtime is taken for the device that was named."""

from __future__ import annotations

import pytest

from configs import ConfigError
from engine import Device, DeviceList, parse_devices
from engine.runtimes.registry import choose


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("auto", [Device()]),
        ("cpu", [Device("cpu")]),
        ("cuda", [Device("cuda")]),
        ("cuda:0,cuda:11", [Device("cuda", 0), Device("cuda", 11)]),
        ("GPU-5FD4A3C5, cpu", [Device("cuda", uuid="GPU-5fd4a3c5"), Device("cpu")]),
    ],
)
def test_a_text_becomes_devices_and_back(text: str, devices: list[Device]) -> None:
    parsed = parse_devices(text)
    assert list(parsed) == devices
    assert parse_devices(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpu", "--device must be auto, cpu, cuda, cuda:1 or GPU-uuid"),
        ("cuda:", "not 'cuda:'"),
        ("cuda:-1", "not 'cuda:-1'"),
        ("", "not ''"),
        ("cuda:0,", "not ''"),
        ("auto,cuda:0", "--device auto goes alone, not as in auto,cuda:0"),
    ],
)
def test_what_is_no_device_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_devices(text, "--device")
    assert message in str(caught.value)


def test_several_devices_are_refused_where_one_is_meant() -> None:
    with pytest.raises(ConfigError, match=r"device must name at least one"):
        DeviceList(())
    with pytest.raises(ConfigError, match="device cpu,cpu: only a run of several sources"):
        parse_devices("cpu,cpu").single  # noqa: B018 - raises


@pytest.mark.parametrize(
    ("runtime", "device", "expected"),
    [
        ("torch", "cpu", ["torch_cpu"]),
        ("torch", "cuda:1", ["torch_cuda"]),
        ("auto", "cpu", ["openvino", "onnxruntime"]),
        ("auto", "cuda", ["tensorrt", "tensorrt_rtx", "torch_cuda"]),
        ("torch", "auto", ["torch_cuda", "torch_cpu"]),
    ],
)
def test_a_device_chooses_among_the_runtimes(
    runtime: str, device: str, expected: list[str]
) -> None:
    chosen = choose(runtime, "auto", parse_devices(device).single)
    assert [entry.name for entry in chosen] == expected


@pytest.mark.parametrize(
    ("runtime", "precision", "device", "where"),
    [
        ("openvino", "auto", "cuda:0", "on the CPU"),
        ("tensorrt", "auto", "cpu", "on CUDA GPUs"),
        ("auto", "int8", "cuda", "on the CPU"),
    ],
)
def test_a_runtime_that_does_not_run_there_is_refused(
    runtime: str, precision: str, device: str, where: str
) -> None:
    with pytest.raises(ConfigError, match=f"runs {where} only, not on device {device}"):
        choose(runtime, precision, parse_devices(device).single)
