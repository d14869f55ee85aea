"""The command line of `run_stream.py`: what it asks for, and the run that comes of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from basics.signals import StopSignals
from basics.standard_files import settle
from configs import ConfigError
from configs.flags import (
    FlagParser,
    add_groups,
    from_namespace,
    option_groups,
    run_command,
    tell,
)
from stream.api import run
from stream.app.config import TerminalConfig
from stream.app.doctor import parse_doctor, run_doctor
from stream.app.json_log import tell_as_json
from stream.app.terminal import Terminal
from stream.profile import Profiler

_DESCRIPTION = "A video in, people out: `run_stream.py SOURCE [SOURCE ...] [-o OUT ...]`."
_EPILOG = """\
examples:
  run_stream.py demo                                 the clip that comes with the package
  run_stream.py clip.mp4 -o out.mp4 people.jsonl     annotated video and keypoint record
  run_stream.py 0 --show                             the first camera, in a window
  run_stream.py rtsp://camera/1 rtsp://camera/2 -o {source}.jsonl
  run_stream.py doctor                               what this machine has, for questions about it

Without -o and --show, NAME_pose.mp4 and NAME_pose.jsonl are written to the current folder.
Ctrl-C finishes all outputs; a second Ctrl-C leaves at once.
"""
_UNNAMED = ("{source}_pose.mp4", "{source}_pose.jsonl")
_GROUPS = option_groups(run)  # every one is an argument of `run`, by the same name


class Command(NamedTuple):
    """What a command line asks for; `options` are arguments of `stream.run`."""

    sources: list[str]
    outputs: list[str]
    options: dict[str, Any]
    terminal: TerminalConfig


def run_arguments(arguments: Sequence[str] | None, signals: StopSignals, version: str) -> int:
    """Runs what the arguments ask for.

    Args:
        arguments: By default those that this process was started with.
        signals: Entered; the first one finishes the run.
        version: What `--version` says.

    Returns:
        The exit code: 0; 2 after bad input, or where an output failed, with one line on standard
        error; 130 after Ctrl-C, 143 after SIGTERM or SIGHUP.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    left_behind: list[str] = []

    def work() -> int:
        if arguments[:1] == ["doctor"]:  # a file of that name is ./doctor
            return run_doctor(parse_doctor(arguments[1:]), version)
        return _run(parse(arguments, version), signals, left_behind)

    code = run_command(work, tell_as_json if _asks_for_json(arguments) else tell)
    if signals.received is not None and code != 2:
        code = signals.exit_code
    if left_behind:  # the interpreter would pull away what their native code stands on
        settle()
        os._exit(code)
    return code


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether lines are to be JSON, known before anything is parsed: that may fail."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    return ("--log-format", "json") in pairwise(words)


def make_parser(version: str = "") -> FlagParser:
    """The parser of the command line; `version` is what `--version` says."""
    parser = FlagParser(
        prog="run_stream.py",
        usage="%(prog)s SOURCE [SOURCE ...] [-o OUT ...] [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="video file, camera number, URL, folder, or demo",
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        nargs="+",
        metavar="OUT",
        default=[],
        help="where results go, by suffix or scheme: out.mp4, people.jsonl, "
        "- (JSON Lines on standard output), ...",
    )
    add_groups(parser, {**_GROUPS, "terminal": TerminalConfig})
    return parser


def parse(arguments: Sequence[str] | None = None, version: str = "") -> Command:
    """What the command line asks for; `version` is what `--version` says.

    Raises:
        ConfigError: It cannot be.
    """
    parser = make_parser(version)
    found = parser.parse_args(arguments)
    named = [name for group in found.output for name in group]
    # Words that follow the first one behind -o may have been meant as sources.
    doubtful = [name for group in found.output for name in group[1:]]
    if not found.sources and len(named) == 2:
        found.sources.append(named.pop())  # run_stream.py -o out.mp4 clip.mp4
        doubtful = named  # or was it the other way round?
    if not found.sources:
        parser.error(
            "no SOURCE given; name sources before -o, whose words are outputs"
            if named
            else "no SOURCE given; try demo"
        )
    options = {name: from_namespace(cls, found) for name, cls in _GROUPS.items()}
    terminal = from_namespace(TerminalConfig, found)
    outputs = _outputs(named, options, terminal)
    guesses = (*doubtful, *(() if named else outputs))
    options["output"] = replace(options["output"], doubtful=guesses)
    return Command(found.sources, outputs, options, terminal)


def _outputs(named: list[str], options: dict[str, Any], terminal: TerminalConfig) -> list[str]:
    benchmark = options["profile"].benchmark
    if benchmark and "-" in named:
        raise ConfigError("--benchmark has standard output to itself; give -o a file instead of -")
    if terminal.show:
        return [*named, "window:"]
    return named or ([] if benchmark else list(_UNNAMED))


def _run(command: Command, signals: StopSignals, left_behind: list[str]) -> int:
    measured = command.options["profile"]
    profiler = Profiler(measured) if measured.profile or measured.benchmark else None
    terminal = Terminal(
        command.terminal,
        signals,
        profiler,
        benchmark=measured.benchmark,
        output_taken="-" in command.outputs,
    )
    with terminal.bar as bar:
        run(
            command.sources,
            command.outputs,
            **{**command.options, "profile": profiler},
            on_start=terminal.start,
            on_progress=bar.update,
            on_end=lambda pipeline: left_behind.extend(terminal.end(pipeline)),
        )
    return 0
