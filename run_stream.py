"""A video in, people out: `run_stream.py SOURCE [SOURCE ...] [-o OUT ...]`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from typing import Any, NamedTuple, get_type_hints

from rich.console import Console

from configs import ConfigError, PoseStreamError, SinkError, redact_url
from configs.flags import FlagParser, add_flags, from_namespace
from configs.run import RunConfig
from engine import Estimator, open_estimator, parse_input_size
from grouping import Grouper
from stream import EVERY_FRAME, LATEST, Pipeline, PipelineConfig, Source, Summary, parse_policy
from stream.app.console import ConsoleHandler, ProgressBar, stage_table
from stream.app.signals import StopSignals
from stream.estimator import suitable_grouper
from stream.pipeline.timing import Timings
from stream.profile import Profiler, RunFacts, benchmark_line, nvtx_ranges, profile_tables
from stream.profile.command import shown_command
from stream.profile.config import ProfileConfig
from stream.render.renderer import RenderConfig, Renderer
from stream.sinks import BrowserConfig, Sink, VideoConfig, open_sinks
from stream.sources import open_sources
from stream.sources.address import source_labels
from stream.sources.config import SourceConfig

_EPILOG = """\
examples:
  run_stream.py demo                                 the clip that comes with the package
  run_stream.py clip.mp4 -o out.mp4 people.jsonl     annotated video and keypoint record
  run_stream.py 0 --show                             the first camera, in a window
  run_stream.py rtsp://camera/1 rtsp://camera/2 -o {source}.jsonl

Without -o and --show, NAME_pose.mp4 and NAME_pose.jsonl are written to the current folder.
Ctrl-C finishes all outputs; a second Ctrl-C leaves at once.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 2 after bad input (one line on stderr), 130 after
    Ctrl-C.
    """
    console = Console(stderr=True)
    with StopSignals() as signals:
        try:
            flags = _parse(arguments)
            level = (
                logging.INFO
                if flags.run.verbose
                else logging.ERROR
                if flags.run.quiet
                else logging.WARNING
            )
            logging.basicConfig(level=level, handlers=[ConsoleHandler(console)], force=True)
            _run(flags, console, signals)
        except PoseStreamError as error:
            print(f"error: {' '.join(redact_url(str(error)).split())}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            pass
        return 0 if signals.received is None else signals.exit_code


class _Flags(NamedTuple):
    run: RunConfig
    source: SourceConfig
    render: RenderConfig
    video: VideoConfig
    browser: BrowserConfig
    profile: ProfileConfig


_TITLES = {
    "run": "run",
    "source": "cameras and network streams",
    "render": "annotated image",
    "video": "video outputs",
    "browser": "browser page",
    "profile": "measuring",
}


def _parse(arguments: Sequence[str] | None) -> _Flags:
    parser = FlagParser(
        prog="run_stream.py",
        usage="%(prog)s SOURCE [SOURCE ...] [-o OUT ...] [options]",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="video file, camera number, URL, folder, or demo",
    )
    parser.add_argument(
        "-o",
        "--output",
        action="extend",
        nargs="+",
        metavar="OUT",
        default=[],
        help="where results go, by suffix or scheme: out.mp4, people.jsonl, - (JSON Lines on standard output), ...",
    )
    hints = get_type_hints(_Flags)
    for name, title in _TITLES.items():
        group: Any = parser.add_argument_group(title)  # has the same `add_argument` as the parser
        add_flags(group, hints[name])
    found = parser.parse_args(arguments)
    if not found.sources and len(found.output) > 1:
        found.sources.append(found.output.pop())  # run_stream.py -o out.mp4 clip.mp4
    if not found.sources:
        parser.error("no SOURCE given; try demo")
    return _Flags(*(from_namespace(hints[name], found) for name in _TITLES))


def _run(flags: _Flags, console: Console, signals: StopSignals) -> None:
    config = flags.run
    profiler = Profiler(flags.profile) if flags.profile.profile or flags.profile.benchmark else None
    policy = None if config.policy is None else parse_policy(config.policy)
    input_size = None if config.input_size is None else parse_input_size(config.input_size)
    sinks = [
        open_sinks(outputs, video=flags.video, browser=flags.browser) for outputs in _outputs(flags)
    ]
    with ExitStack() as stack:
        sources = stack.enter_context(open_sources(config.sources, flags.source))
        estimator = stack.enter_context(
            open_estimator(
                config.model,
                weights=config.weights,
                runtime=config.runtime,
                precision=config.precision,
                input_size=input_size,
                flip=config.flip,
                scales=config.scales,
            )
        )
        grouper = suitable_grouper(estimator, config.min_score)
        pipeline = Pipeline(
            sources,
            estimator,
            grouper,
            sinks=sinks,
            renderers=_renderers(grouper, flags.render, sinks),
            options=PipelineConfig(
                policy=policy,
                frames=config.frames,
                stride=config.stride,
                max_fps=config.max_fps,
                batch_window_ms=config.batch_window_ms,
            ),
            timings=Timings(ranges=nvtx_ranges()) if profiler is None else profiler.timings,
        )
        stack.enter_context(pipeline)
        signals.on_stop = pipeline.stop
        failure: BaseException | None = None
        try:
            with ProgressBar(console, enabled=not config.quiet) as bar, profiler or nullcontext():
                pipeline.run(bar.update)
        except BaseException as error:
            failure = error
            raise
        finally:
            summary = pipeline.summary()
            if profiler is not None:
                _profile(
                    profiler, flags, summary, _facts(flags, sources, estimator, failure), console
                )
            if summary.frames and not config.quiet:
                to_stderr = "-" in config.output or flags.profile.benchmark
                _report(
                    summary, console, to_stderr=to_stderr, table=config.verbose and profiler is None
                )
            if signals.received is not None and pipeline.left_behind:
                # The engine is in the middle of an image, and closing it would wait for that; all
                # outputs are finished.
                sys.stdout.flush()
                os._exit(signals.exit_code)


def _outputs(flags: _Flags) -> list[list[str]]:
    """For each source its outputs, with `{source}` replaced by the name of the source."""
    config = flags.run
    labels = source_labels(config.sources)
    window = ["window:"] if config.show else []
    if flags.profile.benchmark and "-" in config.output:
        raise ConfigError("--benchmark has standard output to itself; give -o a file instead of -")
    if not config.output and not config.show:
        if flags.profile.benchmark:
            return [[] for _ in labels]
        return [[f"{label}_pose.mp4", f"{label}_pose.jsonl"] for label in labels]
    for output in config.output:
        if len(labels) > 1 and "{source}" not in output:
            shown = redact_url(output)
            raise ConfigError(
                f"with several sources every output needs {{source}} in its name, and {shown!r} "
                "has none"
            )
    return [
        [output.replace("{source}", label) for output in config.output] + window for label in labels
    ]


def _renderers(
    grouper: Grouper, render: RenderConfig, sinks: Sequence[Sequence[Sink]]
) -> list[Renderer]:
    if not any(sink.needs_image for group in sinks for sink in group):
        return []
    renderers = [Renderer(grouper.keypoint_set, options=render) for _ in sinks]
    renderers[0].warm_up()
    return renderers


def _facts(
    flags: _Flags, sources: Sequence[Source], estimator: Estimator, failure: BaseException | None
) -> RunFacts:
    config = flags.run
    policies = {config.policy or str(LATEST if source.live else EVERY_FRAME) for source in sources}
    return RunFacts(
        command=shown_command("run_stream.py", config.sources, config.output, flags),
        model=estimator.model,
        runtime=estimator.runtime,
        precision=estimator.precision,
        input_size=str(estimator.input_size),
        policy=", ".join(sorted(policies)),
        sources=tuple(source.info for source in sources),
        error=None if failure is None else redact_url(str(failure) or type(failure).__name__),
    )


def _profile(
    profiler: Profiler, flags: _Flags, summary: Summary, facts: RunFacts, console: Console
) -> None:
    """Shows and writes what was measured; what cannot be written is no error beside the one that
    ended the run.
    """
    figures = profiler.document(facts, summary)
    if flags.profile.benchmark:
        print(benchmark_line(figures), flush=True)
    if not flags.run.quiet:
        for table in profile_tables(figures):
            console.print(table)
    try:
        profiler.write(figures)
    except SinkError as error:
        if facts.error is None:
            raise
        logging.error("%s", error)


def _report(summary: Summary, console: Console, *, to_stderr: bool, table: bool) -> None:
    if table:
        console.print(stage_table(summary))
    print(summary, file=sys.stderr if to_stderr else sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())
