import logging
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream.profile.probes import nvml as nvml_module
from stream.profile.probes.environment import find_environment
from stream.profile.probes.nvml import nvml_probe
from stream.profile.probes.process import ProcessProbe
from stream.profile.probes.tegra import tegra_probe
from stream.profile.probes.telemetry import Probe, Telemetry
from tests.stream.profile.probes.boards import AGX_ORIN, ORIN_NANO
from tests.support.waiting import until


class CountingProbe:
    """Counts up; raises from the reading `fails_at` on."""

    def __init__(self, name: str = "counter", fails_at: int | None = None) -> None:
        self.name, self.fails_at = name, fails_at
        self.readings = 0
        self.closed = 0

    def read(self) -> Mapping[str, float]:
        self.readings += 1
        if self.fails_at is not None and self.readings >= self.fails_at:
            raise RuntimeError("the sensor is gone")
        return {self.name: float(self.readings)}

    def close(self) -> None:
        self.closed += 1


@contextmanager
def watching(*probes: Probe, period_s: float = 0.02) -> Iterator[Telemetry]:
    telemetry = Telemetry(period_s=period_s)
    telemetry.start(probes)
    try:
        yield telemetry
    finally:
        telemetry.stop()


def test_a_probe_that_fails_is_left_alone_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good, bad = CountingProbe("good"), CountingProbe("bad", fails_at=3)
    with caplog.at_level(logging.WARNING), watching(bad, good, period_s=0.01) as telemetry:
        until(lambda: good.readings > 8, "it is read")
    assert bad.readings == 3
    assert len(telemetry.samples["bad"]) == 2
    assert telemetry.samples["good"].values.tolist()[:5] == [1, 2, 3, 4, 5]
    assert (good.closed, bad.closed) == (1, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "bad can no longer be read: the sensor is gone"
    ]


def test_this_process_is_seen_to_work_and_to_take_memory() -> None:
    probe = ProcessProbe()
    assert "cpu_percent" not in probe.read()
    end_s = time.process_time() + 0.15
    while time.process_time() < end_s:
        pass
    held = bytearray(os.urandom(1)) * (64 << 20)
    found = probe.read()
    assert 0 < found["cpu_percent"] <= 110 * (os.cpu_count() or 1)
    assert found["resident_mib"] > len(held) / 2**20


def test_nvml_without_a_driver_is_no_probe_and_no_error() -> None:
    pytest.importorskip("pynvml", reason="needs nvidia-ml-py, extra `profile`")
    probe = nvml_probe()
    if probe is None:
        return  # the normal case on a machine without an NVIDIA driver, told by the real library
    try:
        found = probe.read()
        assert any(name.endswith("percent") for name in found)
        assert all(value >= 0 for value in found.values())
    finally:
        probe.close()


def test_nvml_is_asked_for_nothing_that_its_library_does_not_have() -> None:
    nvml = pytest.importorskip("pynvml", reason="needs nvidia-ml-py, extra `profile`")
    wanted = set(
        re.findall(r"nvml\.(\w+)", Path(nvml_module.__file__).read_text(encoding="utf-8"))
    ) - {"NVMLError"}
    assert len(wanted) > 10
    assert not {name for name in wanted if not hasattr(nvml, name)}


def fake_tegrastats(folder: Path, *lines: str, then: str = "sleep 30") -> Path:
    """A command that prints what tegrastats would."""
    command = folder / "tegrastats"
    command.write_text(
        f"#!/bin/sh\necho $$ > {folder / 'pid'}\n"
        + "".join(f"echo '{line}'\n" for line in lines)
        + f"exec {then}\n",
        encoding="utf-8",
    )
    command.chmod(command.stat().st_mode | stat.S_IEXEC)
    return command


def test_tegrastats_is_followed_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tegrastats(tmp_path, "noise", ORIN_NANO, AGX_ORIN)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    probe = tegra_probe()
    assert probe is not None
    with watching(probe) as telemetry:
        until(lambda: "power_w.VDD_GPU_SOC" in telemetry.samples, "it is read")
    assert telemetry.samples["gpu_percent"].values[-1] == 55
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists(), "it runs on"


def test_tegrastats_that_ends_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    fake_tegrastats(tmp_path, ORIN_NANO, then="false")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    probe = tegra_probe()
    assert probe is not None
    with caplog.at_level(logging.WARNING), watching(probe):
        until(lambda: caplog.records, "it is told")
    assert [record.getMessage() for record in caplog.records] == [
        "tegrastats can no longer be read: tegrastats ended with code 1"
    ]


def test_no_jetson_is_a_normal_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tegra_probe() is None


def test_the_environment_says_what_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvpmodel = fake_tegrastats(tmp_path, "NV Power Mode: 15W", "0", then="true").rename(
        tmp_path / "nvpmodel"
    )
    assert nvpmodel.exists()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = find_environment()
    assert found.power["nvpmodel"] == "15W (mode 0)"
    assert found.versions["numpy"]
    assert int(found.hardware["cores"]) >= 1
    assert found.began.endswith("+00:00")
