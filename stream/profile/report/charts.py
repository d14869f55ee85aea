"""The plots of a report, each made from the document of a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stream.profile.document import Figure, ProfileDocument
from stream.profile.report.chart import WIDE, Chart, stage_style, time_axis
from stream.profile.report.machine_charts import MACHINE_CHARTS
from stream.profile.report.svg import Axis, Plot, Value, axis_for


def charts(document: ProfileDocument) -> list[Chart]:
    """The plots that the run has data for."""
    makers = (_latency, _distribution, _stack, _rates, _queues, _people, _grouping, *MACHINE_CHARTS)
    return [chart for make in makers if (chart := make(document)) is not None]


def _latency(document: ProfileDocument) -> Chart | None:
    frames, line = document["frames"], document["timeline"]
    if not frames["t_s"]:
        return None
    y = axis_for(frames["latency_ms"], "ms")
    plot = Plot(time_axis(document), y, width=WIDE, height=250, title="latency over time")
    plot.dots(frames["t_s"], frames["latency_ms"], "frame", radius=2)
    plot.line(line["t_s"], line["latency_p95_ms"], "p95").line(
        line["t_s"], line["latency_p50_ms"], "p50"
    )
    return Chart(
        title="Latency over time",
        note="From the capture of a frame to its delivery. A column of dots is a stall.",
        plot=plot,
        legend=(
            ("frame", "a frame"),
            ("p50", "p50"),
            ("p95", f"p95, in steps of {line['step_s']:g} s"),
        ),
        wide=True,
    )


def _distribution(document: ProfileDocument) -> Chart | None:
    found, latency = document["latency_distribution"], document["latency_ms"]
    if not found["counts"]:
        return None
    edges, counts = found["edges_ms"], found["counts"]
    low, high = edges[0], max(edges[-1], edges[0] + 1e-3)
    x = Axis(low - (high - low) * 0.02, high, "ms")
    plot = Plot(x, axis_for(counts, "frames", wide=float("inf")), title="distribution")
    titles = [
        f"{left:.1f} to {right:.1f} ms: {count}"
        for (left, right), count in zip(pairwise(edges), counts, strict=True)
    ]
    plot.bars(edges, counts, "frame", titles=titles)
    names: tuple[Figure, ...] = ("p50", "p95", "p99")
    for row, name in enumerate(names):
        plot.marker(latency[name], f"{name} {latency[name]:.1f}", row=row)
    beyond = f", without the slowest {found['beyond']}" if found["beyond"] else ""
    return Chart(
        title="Distribution of the latency",
        note=f"How many frames took how long{beyond}.",
        plot=plot,
    )


def _stack(document: ProfileDocument) -> Chart | None:
    line = document["timeline"]
    stages = [stage["name"] for stage in document["stages"]]
    # Sources are decoded side by side: a frame was decoded once, whichever thread did it.
    decoders = [name for name in stages if name.split(" ")[0] == "decode"]
    series = [
        (
            "decode",
            _mean_of([line["stages_ms"][name] for name in decoders if name in line["stages_ms"]]),
        )
    ]
    series += [
        (name, line["stages_ms"][name])
        for name in stages
        if name not in decoders and name in line["stages_ms"]
    ]
    steps = [index for index, value in enumerate(line["latency_mean_ms"]) if value is not None]
    if not steps:
        return None
    times = [line["t_s"][index] for index in steps]
    heights = [[values[index] or 0.0 for index in steps] for _, values in series]
    tops = [sum(column) for column in zip(*heights, strict=True)]
    waiting = [
        max(0.0, line["latency_mean_ms"][index] - top)
        for index, top in zip(steps, tops, strict=True)
    ]
    everything = [top + rest for top, rest in zip(tops, waiting, strict=True)]
    plot = Plot(
        time_axis(document),
        axis_for(everything, "ms a frame", wide=float("inf")),
        title="where the time goes",
    )
    floor = [0.0] * len(steps)
    for (name, _), height in zip(series, heights, strict=True):
        top = [low + value for low, value in zip(floor, height, strict=True)]
        plot.band(times, floor, top, stage_style(name), name)
        floor = top
    plot.band(times, floor, everything, "stage-waiting", "waiting between stages")
    legend = [(stage_style(name), name) for name, _ in series] + [
        ("stage-waiting", "waiting between stages")
    ]
    note = (
        "What a frame spends in each stage, on average. "
        "infer counts from submitting an image to its result."
    )
    return Chart(title="Where the time goes", note=note, plot=plot, legend=tuple(legend))


def _rates(document: ProfileDocument) -> Chart | None:
    line = document["timeline"]
    if not document["frames_out"]:
        return None
    dropped = [drops / line["step_s"] for drops in line["drops"]]
    y = axis_for([*line["fps"], *dropped], "frames a second", wide=float("inf"))
    plot = Plot(time_axis(document), y, title="frame rate")
    edges = [index * line["step_s"] for index in range(len(line["t_s"]) + 1)]
    if any(dropped):
        plot.bars(edges, dropped, "drop")
    plot.line(line["t_s"], line["fps"], "p50")
    legend = (("p50", "delivered"), *((("drop", "dropped"),) if any(dropped) else ()))
    return Chart(
        title="Frame rate",
        note="Frames delivered to the sinks, and given up.",
        plot=plot,
        legend=legend,
    )


def _queues(document: ProfileDocument) -> Chart | None:
    line = document["timeline"]
    if not line["queues"]:
        return None
    every = [value for values in line["queues"].values() for value in values]
    plot = Plot(
        time_axis(document), axis_for(every, "frames waiting", wide=float("inf")), title="queues"
    )
    for name, values in line["queues"].items():
        plot.line(line["t_s"], values, stage_style(name))
    legend = tuple((stage_style(name), f"for {name}") for name in line["queues"])
    note = (
        "Frames that wait in front of a stage when it takes one. "
        "A queue that is always full stands before the slowest."
    )
    return Chart(title="Queues", note=note, plot=plot, legend=legend)


def _people(document: ProfileDocument) -> Chart | None:
    line = document["timeline"]
    if not document["people"]:
        return None
    plot = Plot(
        time_axis(document),
        axis_for(line["people"], "people a frame", wide=float("inf")),
        title="people",
    )
    plot.line(line["t_s"], line["people"], "stage-group")
    return Chart(
        title="People over time",
        note="How many people were found in a frame, on average.",
        plot=plot,
    )


def _grouping(document: ProfileDocument) -> Chart | None:
    found = document["grouping_by_people"]
    if not found:
        return None
    people = [entry["people"] for entry in found]
    x = Axis(min(people) - 0.5, max(people) + 0.5, "people in the frame")
    highest_ms = min(max(entry["p95"] for entry in found), 5 * max(entry["p50"] for entry in found))
    plot = Plot(x, axis_for([highest_ms], "ms"), title="grouping")
    for entry in found:
        plot.span(entry["people"], entry["p50"], entry["p95"], "stage-group")
    titles = [
        f"{entry['people']} people, {entry['n']} frames: p50 {entry['p50']:.2f} ms"
        for entry in found
    ]
    plot.dots(people, [entry["p50"] for entry in found], "stage-group", radius=3.2, titles=titles)
    note = (
        "What grouping takes: the dot is the median of the frames with so many people, "
        "the line reaches up to p95."
    )
    return Chart(title="People against grouping time", note=note, plot=plot)


def _mean_of(series: Sequence[Sequence[Value]]) -> list[Value]:
    columns = (
        [value for value in column if value is not None] for column in zip(*series, strict=True)
    )
    return [sum(known) / len(known) if known else None for known in columns]
