import shutil
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stream.profile.figures import RunFacts, document
from stream.profile.report.charts import charts
from stream.profile.report.html import report
from stream.profile.report.terminal import profile_tables
from stream.profile.report.verdicts import verdicts
from tests.stream.profile.runs import ENVIRONMENT, FACTS, KnownRun, a_run, machine
from tests.support.chromium import browser
from tests.support.console import terminal


def figures_of(
    run: KnownRun,
    elapsed_s: float = 8.0,
    *,
    watts: bool = True,
    facts: RunFacts = FACTS,
    **options: Any,
) -> dict[str, Any]:
    summary = run.summary(elapsed_s, **options)
    return document(
        facts, summary, run.timings, run.recorder, machine(run, watts=watts), ENVIRONMENT
    )


class Reader(HTMLParser):
    """Remembers tags, attributes that fetch something, and text; complains about tags that are not
    closed.
    """

    VOID = ("meta", "circle", "rect", "line", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [
            value or ""
            for name, value in attributes
            if name in ("src", "href", "xlink:href", "action")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == ["html"] or not reader.open
    return reader


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    reader = read(report(figures_of(a_run(stall_at_s=3.0))))
    assert reader.addresses == []
    assert "Power against frame rate" in reader.text
    for words in (
        "Latency over time",
        "Distribution",
        "Where the time goes",
        "Queues",
        "People against grouping time",
    ):
        assert words in reader.text
    for words in ("frame 75", "a <fast> one", "run_stream.py clip.mp4", "infer", "capture to sink"):
        assert words in reader.text


def test_names_from_outside_are_no_markup() -> None:
    run = a_run(20)
    figures = figures_of(run, 1.0)
    figures["sources"][0]["name"] = '<script>alert("x")</script>'
    figures["run"]["error"], figures["run"]["outcome"] = "<img src=x>", "failed"
    page = report(figures)
    assert "<script" not in page
    assert "<img" not in page
    read(page)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_run_of_hardly_any_frames_has_a_page(count: int) -> None:
    run = a_run(count) if count else KnownRun()
    facts = RunFacts(command="x", model="m", runtime="r", precision="p", error="e")
    figures = figures_of(run, 0.05 * count, watts=False, facts=facts)
    read(report(figures))
    console, text = terminal()
    for table in profile_tables(figures):
        console.print(table)
    assert "FPS in / out" in text.getvalue()


def test_plots_of_what_was_not_measured_are_left_out() -> None:
    titles = {chart.title for chart in charts(figures_of(a_run(), watts=False))}
    assert "Latency over time" in titles
    assert not titles & {"GPU", "Power against frame rate"}


def test_verdicts_say_what_limits_the_run_and_what_casts_doubt_on_it() -> None:
    busy = KnownRun()
    for index in range(50):
        busy.frame(index * 20, index=index, decode=1, infer=19.5, group=1)
    figures = figures_of(busy, 1.0)
    (first, *others) = verdicts(figures)
    assert first.text.startswith(
        "infer takes 19.5 ms a frame and is at work 98% of the time: it limits"
    )
    assert not any(verdict.doubt for verdict in others)

    figures["environment"]["load_average"] = 7.0
    figures["run"]["outcome"] = "stopped"
    figures["kept_every"] = 4
    doubts = [verdict.text for verdict in verdicts(figures) if verdict.doubt]
    assert [
        any(words in text for text in doubts)
        for words in ("was stopped", "not idle", "one frame in 4")
    ] == [True] * 3

    idle = KnownRun()
    for index in range(50):
        idle.frame(index * 20, index=index, infer=5)
    assert verdicts(figures_of(idle, 1.0))[0].text.startswith(
        "No stage is busy all of the time. Infer takes 5.0 ms"
    )


def test_the_table_has_stages_with_their_parts_rates_and_the_machine() -> None:
    console, text = terminal()
    for table in profile_tables(figures_of(a_run(), drops={"stale": 3})):
        console.print(table)
    for words in (
        "decode",
        "infer",
        "wait",
        "submit to result",
        "capture to sink",
        "3 stale",
        "% of one core",
        "board power",
    ):
        assert words in text.getvalue()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_it_without_a_complaint(tmp_path: Path, theme: str) -> None:
    page_path = tmp_path / "report.html"
    page_path.write_text(report(figures_of(a_run(stall_at_s=3.0))), encoding="utf-8")
    with browser(tmp_path / "browser") as page:
        page.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": theme}],
        )
        page.open(page_path.as_uri())
        page.wait_for(
            "document.readyState === 'complete' && document.querySelectorAll('svg').length >= 8"
        )
        time.sleep(0.2)
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0, (
            "it asked for something"
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            "it is wider than the window"
        )
        style = "getComputedStyle(document.body)"
        colours = [
            page.evaluate(f"{style}.{name}")[4:-1].split(",")
            for name in ("color", "backgroundColor")
        ]
        ink, paper = (sum(map(int, colour)) for colour in colours)
        assert (ink < paper) == (theme == "light")
        outside = page.evaluate(
            """[...document.querySelectorAll('svg')].flatMap(svg => {
                const outer = svg.getBoundingClientRect();
                return [...svg.querySelectorAll('text')].filter(text => {
                    const inner = text.getBoundingClientRect();
                    return inner.left < outer.left - 1 || inner.right > outer.right + 1
                        || inner.bottom > outer.bottom + 1;
                });
            }).map(text => text.textContent).join()"""
        )
        assert outside == "", "labels that are cut off"
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=390,
            height=844,
            deviceScaleFactor=1,
            mobile=False,
        )
        assert page.wait_for("document.documentElement.scrollWidth <= innerWidth"), (
            "it does not fit on a phone"
        )
