"""The figures of a run on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.profile.document import Figure, PartFigures, ProfileDocument, StageFigures

if TYPE_CHECKING:
    from rich.table import Table

_FIGURES: tuple[Figure, ...] = ("mean", "p50", "p95", "p99", "max")
_COLUMNS = ("n", *_FIGURES, "busy", "queue")
_MACHINE = (
    ("cpu_percent", "processor", "% of one core"),
    ("resident_mib", "memory", "MiB"),
    ("gpu_percent", "GPU", "%"),
    ("gpu_w", "GPU power", "W"),
    ("board_w", "board power", "W"),
)


def profile_tables(document: ProfileDocument) -> list[Table]:
    """What `document` of `stream.profile.figures` says: the stages, then the rates and what the
    machine did.
    """
    from rich.table import Table  # late: 50 ms of every start

    stages = Table(box=None, title="milliseconds a frame", title_justify="left", pad_edge=False)
    stages.add_column("stage", no_wrap=True)
    for name in _COLUMNS:
        stages.add_column(name, justify="right", no_wrap=True)
    for stage in document["stages"]:
        queue = document["queues"].get(stage["name"])
        stages.add_row(
            stage["name"], *_numbers(stage), "" if queue is None else f"{queue['mean']:.1f}"
        )
        for part in document["parts"]:
            name, _, of_it = part["name"].partition(": ")
            if name == stage["name"]:
                stages.add_row(f"  {of_it}", *_numbers(part), "", style="dim")
    stages.add_row(
        "capture to sink", *_numbers({"name": "", **document["latency_ms"], "busy_share": None}), ""
    )

    rates = Table(box=None, show_header=False, pad_edge=False)
    rates.add_column(no_wrap=True)
    rates.add_column()
    rates.add_row("FPS in / out", f"{document['fps_in']:.1f} / {document['fps_out']:.1f}")
    people = document["people_per_frame"]
    rates.add_row(
        "people a frame",
        f"mean {people['mean']:.1f}, p95 {people['p95']:.0f}, max {people['max']:.0f}",
    )
    for source in document["sources"]:
        drops = (
            ", ".join(f"{count} {cause}" for cause, count in sorted(source["drops"].items()))
            or "none"
        )
        label = "drops" if len(document["sources"]) == 1 else f"drops of {source['name']}"
        rates.add_row(label, drops)
    for name, words, unit in _MACHINE:
        figures = document["telemetry"].get(name)
        if figures is not None and figures["n"]:
            rates.add_row(words, f"mean {figures['mean']:.0f}, max {figures['max']:.0f} {unit}")
    if document["kept_every"] > 1:
        rates.add_row(
            "thinned out",
            f"plots and trace show every {document['kept_every']}th frame, and the slow ones",
        )
    return [stages, rates]


def _numbers(figures: StageFigures | PartFigures) -> list[str]:
    numbers = [f"{figures[name]:.1f}" for name in _FIGURES]
    busy = "" if figures["busy_share"] is None else f"{figures['busy_share']:.0%}"
    return [str(figures["n"]), *numbers, busy]
