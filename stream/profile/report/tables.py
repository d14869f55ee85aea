"""The tables of a report, each made from the document of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from stream.profile.document import Figure, PartFigures, ProfileDocument, StageFigures
from stream.profile.report.chart import stage_style

_FIGURES: tuple[Figure, ...] = ("mean", "p50", "p95", "p99", "max")


def tables(document: ProfileDocument) -> str:
    """Every table that the run has data for, as HTML."""
    return "\n".join(
        [
            _stages(document),
            _slowest(document),
            _sources(document),
            _machine(document),
            _environment(document),
        ]
    )


def _stages(document: ProfileDocument) -> str:
    rows = []
    for stage in document["stages"]:
        queue = document["queues"].get(stage["name"])
        rows.append(_stage_row(stage, "" if queue is None else f"{queue['mean']:.1f}"))
        parts = (part for part in document["parts"] if part["name"].startswith(f"{stage['name']}:"))
        rows += [_stage_row(part, "", kind=' class="part"') for part in parts]
    rows.append(
        _stage_row({"name": "capture to sink", **document["latency_ms"], "busy_share": None}, "")
    )
    note = (
        "Milliseconds a frame. Busy is the share of the run in which the stage's thread was at "
        "work: waiting for frames, for "
        "room or for a source is no work, waiting for the engine's result is. Queue is how many "
        "frames waited in front of it, "
        "on average."
    )
    return _section("Stages", note, ("", "n", *_FIGURES, "busy", "queue"), rows, left=("busy",))


def _stage_row(figures: StageFigures | PartFigures, queue: str, *, kind: str = "") -> str:
    cells = "".join(f"<td>{figures[name]:.2f}</td>" for name in _FIGURES)
    share, busy = figures["busy_share"], ""
    if share is not None:
        width = f"width:{min(share, 1):.1%}"
        style = stage_style(figures["name"])
        busy = f'<span class="share"><i class="{style}" style="{width}"></i></span>{share:.0%}'
    name = escape(figures["name"].split(": ")[-1])
    return (
        f"<tr{kind}><th>{name}</th><td>{figures['n']}</td>{cells}"
        f'<td class="left">{busy}</td><td>{queue}</td></tr>'
    )


def _slowest(document: ProfileDocument) -> str:
    frames = document["slowest_frames"]
    if not frames:
        return ""
    longest = max(frame["latency_ms"] for frame in frames) or 1.0
    rows = []
    for frame in frames:
        parts = list(frame["stages_ms"].items())
        waiting = max(0.0, frame["latency_ms"] - sum(length for _, length in parts))
        bar = "".join(
            f'<i class="{stage_style(name)}" style="width:{length / longest:.2%}" '
            f'title="{escape(name)} {length:.1f} ms"></i>'
            for name, length in [*parts, ("waiting", waiting)]
        )
        source = (
            f"{document['sources'][frame['source']]['name']}, "
            if len(document["sources"]) > 1
            else ""
        )
        rows.append(
            f"<tr><th>{escape(source)}frame "
            f"{frame['frame']}</th><td>{frame['t_s']:.2f}</td><td>{frame['latency_ms']:.1f}</td>"
            f"<td>{frame['people']}</td>"
            f'<td class="left wide"><span class="stack">{bar}</span></td></tr>'
        )
    note = (
        "When they were delivered, in seconds since the run began, and where their time went, "
        "in the colours of the plots."
    )
    names = ("", "at s", "ms", "people", "in the stages, and waiting")
    return _section("Slowest frames", note, names, rows, left=names[-1:])


def _sources(document: ProfileDocument) -> str:
    rows = []
    for source in document["sources"]:
        size = f"{source['width']} × {source['height']}" if source["width"] else "never reached"
        drops = ", ".join(f"{count} {cause}" for cause, count in source["drops"].items()) or "none"
        cells = (
            *(size, f"{source['fps_in']:.1f}", f"{source['fps_out']:.1f}", source["people"]),
            *(drops, source["reconnects"], source["damaged_packets"]),
        )
        rows.append(_row(source["name"], cells))
    names = ("", "pixels", "FPS in", "FPS out", "people", "drops", "reconnects", "damaged packets")
    return _section("Sources", "", names, rows)


def _machine(document: ProfileDocument) -> str:
    found = document["telemetry"]
    if not found:
        return ""
    names: tuple[Figure, ...] = ("mean", "p50", "p95", "max")
    rows = [
        _row(quantity, (figures["n"], *(f"{figures[name]:.6g}" for name in names)))
        for quantity, figures in sorted(found.items())
    ]
    note = "Read twice a second; the unit is at the end of the name, or before the dot."
    return _section("Machine", note, ("", "n", *names), rows)


def _environment(document: ProfileDocument) -> str:
    environment = document["environment"]
    facts = {**environment["hardware"], **environment["power"]}
    if environment["load_average"] is not None:
        facts["load before"] = f"{environment['load_average']:g}"
    facts.update(environment["versions"])
    facts["command"] = document["run"]["command"]
    rows = [
        f'<tr><th>{escape(name)}</th><td class="left">{escape(value)}</td></tr>'
        for name, value in facts.items()
    ]
    return _section("Measured on", "", (), rows, kind="facts")


def _row(name: str, cells: Iterable[object]) -> str:
    rest = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    return f"<tr><th>{escape(name)}</th>{rest}</tr>"


def _section(
    title: str,
    note: str,
    names: Sequence[str],
    rows: Sequence[str],
    *,
    left: tuple[str, ...] = (),
    kind: str = "",
) -> str:
    cells = "".join(f"<th{' class=left' if name in left else ''}>{name}</th>" for name in names)
    head = f"<thead><tr>{cells}</tr></thead>" if names else ""
    return (
        f"<section><h2>{title}</h2><p>{note}</p>"
        f'<div class="scroll"><table class="{kind}">{head}<tbody>{"".join(rows)}</tbody></table>'
        "</div></section>"
    )
