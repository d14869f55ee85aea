import io
import logging
from dataclasses import replace

import pytest
from rich.console import Console

from basics.signals import StopSignals
from basics.statistics import Statistics
from stream.app.config import TerminalConfig
from stream.app.console import ConsoleHandler, ProgressBar, stage_table
from stream.app.terminal import Terminal
from stream.pipeline.progress import Progress
from stream.pipeline.summary import SourceSummary, Summary
from stream.pipeline.timing import StageStatistics
from stream.sinks.base import NEWS
from stream.sources import SourceHealth
from tests.support.console import terminal


def tell(frames: int, elapsed_s: float, *, expected: int | None = 100, drops: int = 0) -> Progress:
    return Progress(
        frames=frames, expected=expected, drops=drops, elapsed_s=elapsed_s, finished=False
    )


def test_the_bar_shows_frames_rate_and_drops() -> None:
    console, text = terminal()
    with ProgressBar(console) as bar:
        bar.update(tell(10, 0.5))
        bar.update(tell(40, 2.0, drops=3))
    for words in ("40/100", "20.0 FPS", "3 dropped"):
        assert words in text.getvalue()


def test_the_bar_says_nothing_without_a_terminal_or_when_it_is_off() -> None:
    plain = io.StringIO()
    with ProgressBar(Console(file=plain)) as bar:
        bar.update(tell(40, 2.0))
    console, text = terminal()
    with ProgressBar(console, enabled=False) as bar:
        bar.update(tell(40, 2.0, expected=None))
    assert (plain.getvalue(), text.getvalue()) == ("", "")


def test_log_records_are_single_lines_however_long() -> None:
    text = io.StringIO()
    record = logging.LogRecord("a", logging.WARNING, "", 0, "%s [bold]", ("word " * 60,), None)
    ConsoleHandler(Console(file=text, width=40)).emit(record)
    assert text.getvalue() == f"warning: {'word ' * 60} [bold]\n"


def test_a_photograph_is_one_frame() -> None:
    source = SourceSummary(name="a", frames=1, people=4, drops={}, health=SourceHealth())
    summary = Summary(
        elapsed_s=1.0,
        sources=(source,),
        latency_ms=Statistics(),
        stages=(),
        depths={},
        stopped=False,
    )
    assert str(summary).startswith("1 frame in 1.0 s; ")


def test_what_warns_of_nothing_is_not_called_a_warning() -> None:
    text = io.StringIO()
    record = logging.LogRecord("a", logging.WARNING, "", 0, "live page: %s", ("http://a",), None)
    vars(record).update(NEWS)
    ConsoleHandler(Console(file=text)).emit(record)
    assert text.getvalue() == "live page: http://a\n"


def test_the_summary_is_one_line_and_the_table_has_every_stage() -> None:
    stages = tuple(
        StageStatistics(
            name=name, time_ms=Statistics(n=9, mean=1, p50=1, p95=2, p99=3, max=4), busy_share=share
        )
        for name, share in (("decode", 0.1), ("infer", 0.9))
    )
    health = SourceHealth(state="ended", reconnects=3)
    source = SourceSummary(
        name="a", frames=9, people=4, drops={"superseded": 2, "stale": 1}, health=health
    )
    summary = Summary(
        elapsed_s=3.0,
        sources=(source, replace(source, health=replace(health, corrupt_packets=1))),
        latency_ms=Statistics(n=9, mean=10, p50=12, p95=20, p99=21, max=30),
        stages=stages,
        depths={"infer": Statistics(n=9, p50=1)},
        stopped=False,
    )
    line = str(summary)
    assert "\n" not in line
    for words in (
        "18 frames",
        "6.0 FPS",
        "; 0.4 people a frame;",
        "2 stale, 4 superseded",
        "p50 12 ms",
        "p95 20 ms",
        "6 reconnects",
        "1 damaged packet;",
    ):
        assert words in line
    console, text = terminal()
    console.print(stage_table(summary))
    for words in ("decode", "infer", "90%", "capture to sink"):
        assert words in text.getvalue()


def test_a_first_start_says_what_it_does_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, quiet, said in (("1", False, True), ("1", True, False), ("0", False, False)):
        monkeypatch.setenv("TTY_COMPATIBLE", kind)
        with StopSignals() as signals:
            Terminal(TerminalConfig(quiet=quiet), signals).tell_compilation()
        assert ("compiling for this processor" in capsys.readouterr().err) is said
