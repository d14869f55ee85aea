"""A run as one HTML page that needs nothing else: no script, no request."""

from __future__ import annotations

from html import escape
from pathlib import Path

from stream.profile.document import ProfileDocument
from stream.profile.report.chart import Chart
from stream.profile.report.charts import charts
from stream.profile.report.tables import tables
from stream.profile.report.verdicts import verdicts

_STYLE = Path(__file__).parent / "page" / "report.css"


def report(document: ProfileDocument) -> str:
    """The page for `document` of `stream.profile.figures`."""
    title = escape(", ".join(source["name"] for source in document["sources"]))
    plots = charts(document)
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>Profile of {title}</title>",
            f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head><body><main>",
            f"<header><p>Profile</p><h1>{title}</h1><p>{escape(_run(document))}</p></header>",
            _tiles(document),
            *(
                f'<p class="verdict{" doubt" if found.doubt else ""}">{escape(found.text)}</p>'
                for found in verdicts(document)
            ),
            *(_figure(chart) for chart in plots if chart.wide),
            '<div class="pair">',
            *(_figure(chart) for chart in plots if not chart.wide),
            "</div>",
            tables(document),
            "</main></body></html>\n",
        ]
    )


def _run(document: ProfileDocument) -> str:
    run = document["run"]
    words = [f"{run['model']} on {run['runtime']}, {run['precision']}"]
    words += [" and ".join(run["devices"])] if run["devices"] else []
    words += [f"input {run['input_size']}"] if run["input_size"] else []
    words += [run["policy"]] if run["policy"] else []
    began = document["environment"]["began"].replace("T", " ").replace("+00:00", " UTC")
    return " · ".join([*words, f"{document['elapsed_s']:.1f} s", began])


def _tiles(document: ProfileDocument) -> str:
    latency, people, drops = document["latency_ms"], document["people_per_frame"], document["drops"]
    causes = ", ".join(f"{count} {cause}" for cause, count in drops.items())
    tiles = (
        (
            "frames a second",
            f"{document['fps_out']:.1f}",
            f"{document['frames_out']} frames; {document['fps_in']:.1f} FPS in",
        ),
        ("latency, median", f"{latency['p50']:.0f} ms", "capture to sink"),
        (
            "latency, p95",
            f"{latency['p95']:.0f} ms",
            f"p99 {latency['p99']:.0f} ms, max {latency['max']:.0f} ms",
        ),
        ("frames dropped", str(sum(drops.values())), causes or "every frame came out"),
        ("people a frame", f"{people['mean']:.1f}", f"at most {people['max']:.0f}"),
    )
    cells = (
        f"<div><dt>{name}</dt><dd>{value}</dd><p>{escape(note)}</p></div>"
        for name, value, note in tiles
    )
    return f"<dl>{''.join(cells)}</dl>"


def _figure(chart: Chart) -> str:
    legend = "".join(
        f'<li><i class="{style}"></i>{escape(words)}</li>' for style, words in chart.legend
    )
    return (
        f"<figure><figcaption><h2>{escape(chart.title)}</h2>"
        f"<p>{escape(chart.note)}</p></figcaption>"
        f"{f'<ul>{legend}</ul>' if legend else ''}{chart.plot}</figure>"
    )
