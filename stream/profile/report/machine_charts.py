"""The plots of a report that show what the machine did."""

from __future__ import annotations

from stream.profile.document import ProfileDocument
from stream.profile.report.chart import Chart, time_axis
from stream.profile.report.svg import Plot, axis_for


def _processor(document: ProfileDocument) -> Chart | None:
    cores = document["environment"]["hardware"].get("cores", "1")
    note = (
        f"Processor time of all threads of this process; "
        f"{int(cores) * 100} % is all of the {cores} cores."
    )
    return _sensors(
        document, "Processor", note, "% of a core", {"cpu_percent": ("stage-decode", "")}
    )


def _memory(document: ProfileDocument) -> Chart | None:
    note = "Resident memory of this process; a line that keeps rising is a leak."
    return _sensors(document, "Memory", note, "MiB", {"resident_mib": ("stage-decode", "")})


def _gpu(document: ProfileDocument) -> Chart | None:
    note = (
        "Share of the time in which the GPU had something to do, "
        "which says nothing of how much of it was used."
    )
    wanted = {
        "gpu_percent": ("stage-infer", "GPU"),
        "memory_percent": ("stage-group", "memory controller"),
    }
    return _sensors(document, "GPU", note, "%", wanted)


def _clocks(document: ProfileDocument) -> Chart | None:
    note = (
        "A clock that falls while the work stays the same is throttled, "
        "by heat or by the power mode."
    )
    wanted = {
        "gpu_mhz": ("stage-infer", "GPU"),
        "memory_mhz": ("stage-group", "memory"),
        "board_cpu_mhz": ("stage-decode", "processor"),
    }
    return _sensors(document, "Clocks", note, "MHz", wanted)


def _temperature(document: ProfileDocument) -> Chart | None:
    note = "A run that is shorter than it takes to warm up says nothing of the hours after it."
    wanted = {
        "gpu_c": ("stage-infer", "GPU"),
        **{f"temperature_c.{name}": ("stage-decode", "processor") for name in ("CPU", "cpu")},
        "temperature_c.tj": ("stage-render", "hottest junction"),
    }
    return _sensors(document, "Temperature", note, "°C", wanted)


def _power_over_time(document: ProfileDocument) -> Chart | None:
    note = "What the board takes in, or, on a desktop, the GPU."
    wanted = {"board_w": ("stage-render", "board"), "gpu_w": ("stage-infer", "GPU")}
    return _sensors(document, "Power", note, "W", wanted)


def _power(document: ProfileDocument) -> Chart | None:
    line = document["timeline"]
    name = next(
        (name for name in ("board_w", "gpu_w") if any(line["telemetry"].get(name, ()))), None
    )
    if name is None:
        return None
    pairs = [
        (fps, watts)
        for fps, watts in zip(line["fps"], line["telemetry"][name], strict=True)
        if watts is not None
    ]
    rates, watts = [fps for fps, _ in pairs], [watts for _, watts in pairs]
    if not any(rates):
        return None
    x = axis_for(rates, "frames a second", wide=float("inf"))
    plot = Plot(x, axis_for(watts, "W", wide=float("inf")), title="power against frame rate")
    plot.dots(
        rates,
        watts,
        "p50",
        radius=2.6,
        titles=[f"{fps:.1f} FPS, {value:.1f} W" for fps, value in pairs],
    )
    energy_j = sum(watts) / sum(rates)
    what = "the board" if name == "board_w" else "the GPU"
    note = (
        f"Each dot is one step of the run. A frame costs {energy_j:.2f} J of what {what} takes in."
    )
    return Chart(title="Power against frame rate", note=note, plot=plot)


def _sensors(
    document: ProfileDocument, title: str, note: str, unit: str, wanted: dict[str, tuple[str, str]]
) -> Chart | None:
    """wanted: by quantity, its style and words."""
    line = document["timeline"]
    found = {
        name: line["telemetry"][name]
        for name in wanted
        if any(value for value in line["telemetry"].get(name, ()))
    }
    if not found:
        return None
    every = [value for values in found.values() for value in values]
    plot = Plot(time_axis(document), axis_for(every, unit, wide=float("inf")), title=title)
    for name, values in found.items():
        seen = [index for index, value in enumerate(values) if value is not None]
        plot.line(
            [line["t_s"][index] for index in seen],
            [values[index] for index in seen],
            wanted[name][0],
        )
    legend = tuple(wanted[name] for name in found) if len(found) > 1 else ()
    return Chart(title=title, note=note, plot=plot, legend=legend)


MACHINE_CHARTS = (_processor, _memory, _gpu, _clocks, _temperature, _power_over_time, _power)
