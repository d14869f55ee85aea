"""Lines as the boards print them: format of NVIDIA's tool, values made up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.profile.probes.nvpmodel import PowerMode, parse_jetson_clocks, parse_nvpmodel
from stream.profile.probes.tegra import readings_of
from stream.profile.probes.tegrastats import TegraStats, parse_tegrastats

NANO = (  # JetPack 4, milliwatts without a unit
    "RAM 1623/3964MB (lfb 434x4MB) SWAP 12/1982MB (cached 0MB) CPU [42%@1479,off,17%@1479,3%@1428] "
    "EMC_FREQ 38%@1600 "
    "GR3D_FREQ 96%@921 APE 25 PLL@39C CPU@41.5C PMIC@100C GPU@40C AO@46C thermal@41C POM_5V_IN "
    "5234/4943 POM_5V_GPU 2010/1800 "
    "POM_5V_CPU 823/790"
)
TX2 = (
    "RAM 1345/7829MB (lfb 1290x4MB) SWAP 0/512MB (cached 0MB) CPU [2%@345,off,off,off,off,off] "
    "EMC_FREQ 13%@40 "
    "GR3D_FREQ 0%@114 APE 150 BCPU@35C MCPU@35C GPU@41C PLL@35C AO@35.5C Tboard@35C Tdiode@36C "
    "PMIC@100C thermal@35.5C "
    "VDD_IN 2003/2658 VDD_CPU 320/518 VDD_GPU 400/735 VDD_SOC 400/415 VDD_WIFI 0/0 VDD_DDR 240/348"
)
AGX_XAVIER = (
    "RAM 1903/15692MB (lfb 3251x4MB) CPU "
    "[1%@1190,1%@1190,2%@1190,0%@1190,0%@1190,0%@1190,0%@1190,0%@1190] EMC_FREQ 0% "
    "GR3D_FREQ 7% AO@32.5C GPU@32C Tboard@32C Tdiode@34.75C AUX@31.5C CPU@33.5C thermal@32.9C "
    "PMIC@100C GPU 154/154 "
    "CPU 216/216 SOC 864/864 CV 0/0 VDDRQ 144/144 SYS5V 1889/1889"
)
XAVIER_NX = (
    "RAM 3347/7771MB (lfb 896x4MB) SWAP 0/3885MB (cached 0MB) CPU "
    "[21%@1190,19%@1190,18%@1190,21%@1190,off,off] "
    "EMC_FREQ 13%@1600 GR3D_FREQ 61%@1109 VIC_FREQ 0%@115 APE 150 MTS fg 0% bg 0% AO@42.5C GPU@40C "
    "PMIC@50C AUX@41C "
    "CPU@42.5C thermal@41.7C VDD_IN 5765/5300 VDD_CPU_GPU_CV 1548/1300 VDD_SOC 1497/1490"
)
ORIN_NANO = (  # JetPack 6
    "11-14-2025 12:34:56 RAM 3172/7620MB (lfb 44x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [6%@1510,6%@1510,10%@729,7%@729,off,off] EMC_FREQ 4%@2133 GR3D_FREQ 26%@[306] NVDEC off "
    "NVJPG off NVJPG1 off VIC off "
    "OFA off APE 200 cpu@46.41C soc2@45.34C soc0@43.62C gpu@46.03C tj@46.41C soc1@44.38C VDD_IN "
    "4900mW/5000mW "
    "VDD_CPU_GPU_CV 924mW/939mW VDD_SOC 1500mW/1600mW"
)
AGX_ORIN = (
    "04-11-2025 10:36:27 RAM 4321/62801MB (lfb 1759x4MB) SWAP 19/31400MB (cached 0MB) CPU "
    "[0%@729,0%@729,3%@2201,0%@729] "
    "EMC_FREQ 1%@3199 GR3D_FREQ 55%@[1290,1300] VIC_FREQ 729 APE 174 CV0@-256C CPU@44.562C "
    "Tboard@32C SOC2@40.093C "
    "GPU@43.5C tj@44.343C VDD_GPU_SOC 2340mW/2300mW VDD_CPU_CV 390mW/380mW VIN_SYS_5V0 "
    "4025mW/4000mW NC 0mW/0mW "
    "VDDQ_VDD2_1V8AO 301mW/301mW NC 0mW/0mW"
)
THOR = (  # JetPack 7, R38: no load of the GPU
    "05-17-2026 10:00:32 RAM 4208/125773MB (lfb 31x4MB) SWAP 0/2048MB (cached 0MB) CPU "
    "[1%@972,0%@972,off,3%@972] "
    "EMC_FREQ 0%@665 GR3D_FREQ @[1574,1574,1574] NVENC0_FREQ @0 NVENC1_FREQ @0 NVDEC0_FREQ @0 "
    "NVDEC1_FREQ @0 NVJPG0_FREQ @0 "
    "VIC off OFA_FREQ @0 PVA0_FREQ off APE 300 cpu@34.468C tj@34.5C soc012@33.781C soc345@34.5C "
    "gpu@36C VDD_GPU 2030mW/2000mW "
    "VDD_CPU_SOC_MSS 4165mW/4165mW VIN_SYS_5V0 4126mW/4126mW"
)
THOR_R39 = (  # three values a rail, two a sensor, and an input rail
    "08-08-2026 21:00:39 RAM 8353/125749MB (lfb 31x4MB) CPU [90%,75%,off,7%]@2601 EMC_FREQ "
    "34%@4266 "
    "GR3D_FREQ 87%@[1574,1574,1574] NVENC0_FREQ @1691 VIC off cpu@58.25C/61.75C tj@66.625C/66.625C "
    "gpu@56.937C/66.625C "
    "VDD_GPU 37939mW/8660mW/37939mW VDD_CPU_SOC_MSS 30059mW/12281mW/30059mW VIN_SYS_5V0 "
    "15486mW/7424mW/15486mW "
    "VIN 124486mW/36487mW/124486mW FUTURE_FIELD 7"
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
