"""The machine is described from what the operating system says of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from basics import hardware


def test_the_description_names_the_processor_and_the_cores_that_may_be_used() -> None:
    described = hardware.describe_hardware()
    assert f"{hardware.usable_cores()} cores" in described
    assert described.startswith(hardware.board_name() or hardware.processor_name())
    assert "\n" not in described


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_cores_that_the_process_may_not_use_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert hardware.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_boards_memory_and_gpus_are_read_as_the_kernel_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of a Jetson Orin Nano and of a machine with two GPUs."""
    board, memory, gpus = tmp_path / "model", tmp_path / "meminfo", tmp_path / "gpus"
    board.write_bytes(b"NVIDIA Jetson Orin Nano Developer Kit\0")
    memory.write_text("MemTotal:        7802820 kB\nMemFree:          123456 kB\n")
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (gpus / bus).mkdir(parents=True)
        (gpus / bus / "information").write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 16\n")
    monkeypatch.setattr(hardware, "_BOARD", board)
    monkeypatch.setattr(hardware, "_MEMORY", memory)
    monkeypatch.setattr(hardware, "_GPUS", gpus)
    assert hardware.board_name() == "NVIDIA Jetson Orin Nano Developer Kit"
    assert hardware.memory_gib() == pytest.approx(7.44, abs=0.01)
    assert hardware.nvidia_gpus() == ["NVIDIA H200", "NVIDIA H200"]
    assert re.fullmatch(
        r"NVIDIA Jetson Orin Nano Developer Kit, \d+ cores, NVIDIA H200, NVIDIA H200",
        hardware.describe_hardware(),
    )


def test_what_the_system_does_not_tell_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_BOARD", "_PROCESSOR", "_MEMORY", "_GPUS"):
        monkeypatch.setattr(hardware, name, tmp_path / "nothing")
    assert hardware.board_name() == ""
    assert hardware.memory_gib() is None
    assert hardware.nvidia_gpus() == []
    assert hardware.processor_name()


@pytest.mark.parametrize(
    "told",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:07:53 UTC 2025",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build",
    ],
)
def test_the_version_of_the_driver_is_read_from_what_both_kinds_say(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_DRIVER", tmp_path / "version")
    assert hardware.nvidia_driver() == ""
    (tmp_path / "version").write_text(told + "\nGCC version:  gcc version 13.3.0\n")
    assert hardware.nvidia_driver() == "580.65.06"


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (
            "flags\t\t: fpu sse4_2 avx avx2 avx512f amx_int8 avx10",
            "sse4_2 avx avx2 avx512f amx_int8",
        ),
        ("Features\t: fp asimd evtstrm asimddp", "asimd asimddp"),
        ("", ""),
    ],
)
def test_instruction_sets_of_both_families_are_read(
    told: str, known: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{told}\n")
    monkeypatch.setattr(hardware, "_PROCESSOR", tmp_path / "cpuinfo")
    assert " ".join(hardware.instruction_sets()) == known
