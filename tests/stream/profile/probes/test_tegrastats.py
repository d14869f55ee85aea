"""What tegrastats, nvpmodel and jetson_clocks print is understood on every board."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.profile.probes.nvpmodel import PowerMode, parse_jetson_clocks, parse_nvpmodel
from stream.profile.probes.tegra import readings_of
from stream.profile.probes.tegrastats import TegraStats, parse_tegrastats
from tests.stream.profile.probes.boards import (
    AGX_ORIN,
    AGX_XAVIER,
    NANO,
    ORIN_NANO,
    THOR,
    THOR_R39,
    TX2,
    XAVIER_NX,
)


@pytest.mark.parametrize(
    ("line", "ram", "gpu", "memory", "cores", "total_w"),
    [
        (NANO, (1623, 3964), (96, 921), (38, 1600), (4, 1), 5.234),
        (TX2, (1345, 7829), (0, 114), (13, 40), (6, 5), 2.003),
        (AGX_XAVIER, (1903, 15692), (7, None), (0, None), (8, 0), 3.267),
        (XAVIER_NX, (3347, 7771), (61, 1109), (13, 1600), (6, 2), 5.765),
        (ORIN_NANO, (3172, 7620), (26, 306), (4, 2133), (6, 2), 4.9),
        (AGX_ORIN, (4321, 62801), (55, 1300), (1, 3199), (4, 0), 7.056),
        (THOR, (4208, 125773), (None, 1574), (0, 665), (4, 1), 10.321),
        (THOR_R39, (8353, 125749), (87, 1574), (34, 4266), (4, 1), 124.486),
    ],
    ids=["nano", "tx2", "agx xavier", "xavier nx", "orin nano", "agx orin", "thor", "thor r39"],
)
def test_every_board_is_understood(line, ram, gpu, memory, cores, total_w) -> None:
    found = parse_tegrastats(line)
    assert (found.ram_used_mib, found.ram_total_mib) == ram
    assert (found.gpu_percent, found.gpu_mhz) == gpu
    assert (found.memory_percent, found.memory_mhz) == memory
    assert (len(found.cores), found.cores.count((None, None))) == cores
    assert found.total_w == pytest.approx(total_w)
    assert any(name.lower() == "gpu" for name in found.temperatures_c)


def test_rails_sensors_and_cores_are_told_apart() -> None:
    xavier = parse_tegrastats(AGX_XAVIER)
    assert set(xavier.power_mw) == {"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"}
    assert xavier.temperatures_c["GPU"] == 32
    assert xavier.cores[2] == (2, 1190)
    orin = parse_tegrastats(AGX_ORIN)
    assert orin.power_mw["VDD_GPU_SOC"] == (2340, 2300)
    assert "NC" not in orin.power_mw, "a channel that is not connected"
    assert "CV0" not in orin.temperatures_c, "a sensor that is off"
    assert parse_tegrastats(THOR_R39).cores == ((90, 2601), (75, 2601), (None, None), (7, 2601))


def test_readings_have_the_names_of_a_desktop() -> None:
    found = readings_of(parse_tegrastats(NANO))
    assert found["gpu_percent"] == 96
    assert found["gpu_mhz"] == 921
    assert found["gpu_c"] == 40
    assert found["board_w"] == pytest.approx(5.234)
    assert found["board_cpu_percent"] == pytest.approx((42 + 17 + 3) / 4)
    assert found["power_w.POM_5V_GPU"] == pytest.approx(2.01)
    assert "gpu_percent" not in readings_of(parse_tegrastats(THOR))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_noise_never_raises(line: str) -> None:
    assert isinstance(parse_tegrastats(line), TegraStats)
    readings_of(parse_tegrastats(line))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([NANO, AGX_XAVIER, AGX_ORIN, THOR_R39]), st.data())
def test_damaged_lines_never_raise(line: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, len(line)))
    damaged = (
        line[:start]
        + data.draw(st.text("0123456789%@[],/-.mWCMB \u0663x", max_size=20))
        + line[end:]
    )
    readings_of(parse_tegrastats(damaged))


def test_the_power_mode_is_read() -> None:
    assert parse_nvpmodel("NV Power Mode: MAXN\n0\n") == PowerMode(name="MAXN", number=0)
    verbose = "NVPM VERB: Current mode: NV Power Mode: 25W\n1\nNVPM VERB: PARAM CPU_ONLINE\n"
    assert str(parse_nvpmodel(verbose)) == "25W (mode 1)"
    assert (
        str(parse_nvpmodel("NV Fan Mode:quiet\nNV Power Mode: MODE_15W_6CORE")) == "MODE_15W_6CORE"
    )
    assert parse_nvpmodel("NVPM ERROR: no such file") is None


def test_pinned_clocks_are_told_from_free_ones() -> None:
    free = (
        "SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano Developer Kit\nOnline CPUs: 0-5\n"
        "cpu0:  Online=1 Governor=schedutil MinFreq=729600 MaxFreq=1510400 CurrentFreq=1510400 "
        "IdleStates: WFI=1 c7=1 \n"
        "GPU MinFreq=306000000 MaxFreq=624750000 CurrentFreq=306000000\n"
        "EMC MinFreq=204000000 MaxFreq=2133000000 CurrentFreq=2133000000 FreqOverride=0\n"
    )
    pinned = free.replace("MinFreq=729600", "MinFreq=1510400").replace(
        "MinFreq=306000000", "MinFreq=624750000"
    )
    assert parse_jetson_clocks(free) is False
    assert parse_jetson_clocks(pinned) is True
    assert parse_jetson_clocks("Error: Run this script as a root user") is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_noise_is_no_power_mode_and_no_error(text: str) -> None:
    parse_nvpmodel(text)
    parse_jetson_clocks(text)
