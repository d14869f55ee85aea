"""The command line of `run_stream.py`: what it asks for, and the run that comes of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from basics.kernels import compilation_told
from basics.signals import StopSignals
from basics.standard_files import say, settle
from configs import ConfigError, SinkError
from configs.flags import (
    FlagParser,
    add_groups,
    from_namespace,
    option_groups,
    run_command,
    tell,
)
from stream.api import run
from stream.app.config import TerminalConfig, program_name
from stream.app.config_file import load_config_file
from stream.app.config_text import config_text
from stream.app.json_log import tell_as_json
from stream.named_source import NamedSource, labels_of
from stream.profile import Profiler
from stream.sinks import (
    has_display,
    is_video_file,
    plan_outputs,
    recorded_source,
    takes_standard_output,
)
from stream.sources import is_photograph

_DESCRIPTION = "A video in, people out: `%(prog)s SOURCE [SOURCE ...] [-o OUT ...]`."
_EXAMPLES = {
    "demo": "the clip that comes with the package",
    "clip.mp4 -o out.mp4 people.jsonl": "annotated video and keypoint record",
    "0 --show": "the first camera, in a window",
    "rtsp://camera/1 rtsp://camera/2 -o {source}.jsonl": "",
    "--config cameras.yaml": "cameras by name; --print-config writes one",
    "doctor": "what this machine has, for questions about it",
}
_EXAMPLE_COLUMNS = 36
_EPILOG = """
Without -o and --show, NAME_pose.mp4 and NAME_pose.jsonl are written to the current folder;
of a photograph NAME_pose.jpg.
Ctrl-C finishes all outputs; a second Ctrl-C leaves at once.
"""
_UNNAMED = ("{source}_pose.mp4", "{source}_pose.jsonl")
_UNNAMED_OF_PHOTOGRAPHS = ("{source}_pose.jpg", "{source}_pose.jsonl")
_WINDOW = "window:"
_GROUPS = option_groups(run)  # every one is an argument of `run`, by the same name
_ALL_GROUPS: dict[str, type[Any]] = {**_GROUPS, "terminal": TerminalConfig}


class Command(NamedTuple):
    """What a command line asks for; `options` are arguments of `stream.run`, and the names of
    `outputs` are `unnamed` where nobody gave them.
    """

    sources: list[str] | list[NamedSource]
    outputs: list[str]
    options: dict[str, Any]
    terminal: TerminalConfig
    print_config: bool = False
    unnamed: bool = False

    @property
    def all_outputs(self) -> list[Any]:
        """Those that sources share, and their own."""
        own = [getattr(source, "outputs", None) or () for source in self.sources]
        return [*self.outputs, *chain(*own)]

    @property
    def takes_standard_output(self) -> bool:
        """Whether records go there."""
        return any(map(takes_standard_output, self.all_outputs))


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
    as_json = _asks_for_json(arguments)

    def work() -> int:
        if arguments[:1] == ["doctor"]:  # a file of that name is ./doctor
            from stream.app.doctor import parse_doctor, run_doctor  # late, as is rich

            return run_doctor(parse_doctor(arguments[1:]), version)
        nonlocal as_json
        command = parse(arguments, version)
        as_json = command.terminal.log_format == "json"
        if command.print_config:
            options = {**command.options, "terminal": command.terminal}
            say(config_text(command.sources, command.outputs, options))
            return 0
        return _run(command, signals, left_behind)

    code = run_command(
        work, lambda level, message: (tell_as_json if as_json else tell)(level, message)
    )
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
    examples = [
        f"  %(prog)s {words:{_EXAMPLE_COLUMNS}} {what}".rstrip()
        for words, what in _EXAMPLES.items()
    ]
    parser = FlagParser(
        prog=program_name(),
        usage="%(prog)s SOURCE [SOURCE ...] [-o OUT ...] [options]",
        description=_DESCRIPTION,
        epilog="\n".join(["examples:", *examples, _EPILOG]),
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
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="take sources with names, outputs and options from a YAML file",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="write such a file for this command line to standard output, and end",
    )
    add_groups(parser, _ALL_GROUPS)
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
    file = None if found.config is None else load_config_file(found.config, _ALL_GROUPS)
    if file is not None and (found.sources or named):
        parser.error("with --config, sources and outputs are named in the file alone")
    if file is None and not found.sources and len(named) == 2:
        found.sources.append(named.pop())  # run_stream.py -o out.mp4 clip.mp4
        doubtful = named  # or was it the other way round?
    if file is None and not found.sources:
        parser.error(
            "no SOURCE given; name sources before -o, whose words are outputs"
            if named
            else "no SOURCE given; try demo"
        )
    options = {
        name: _options(cls, found, {} if file is None else file.options.get(name, {}))
        for name, cls in _ALL_GROUPS.items()
    }
    terminal = options.pop("terminal")
    if file is not None:
        outputs = _with_window(file.outputs, terminal)
        sources = [
            source
            if source.outputs is None
            else replace(source, outputs=_with_window(source.outputs, terminal))
            for source in file.sources(options)
        ]
        command = Command(sources, outputs, options, terminal, found.print_config)
        _check_standard_output(command)
        return command
    benchmark = options["profile"].benchmark
    outputs = _with_window(named, terminal)
    unnamed = not outputs and not benchmark
    if unnamed:
        outputs = list(_unnamed_outputs(found.sources))
    guesses = (*doubtful, *(() if named else outputs))
    options["output"] = replace(options["output"], doubtful=guesses)
    command = Command(found.sources, outputs, options, terminal, found.print_config, unnamed)
    _check_standard_output(command)
    return command


def _options(cls: type[Any], found: argparse.Namespace, in_file: dict[str, Any]) -> Any:
    """What the command line says, and where it says nothing, the file."""
    said = vars(found)
    return from_namespace(
        cls, found, **{name: value for name, value in in_file.items() if name not in said}
    )


def _with_window(outputs: Sequence[Any], terminal: TerminalConfig) -> list[Any]:
    """Outputs, and the window that `--show` asks for."""
    wanted = terminal.show and _WINDOW not in outputs
    return [*outputs, *([_WINDOW] if wanted else [])]


def _unnamed_outputs(sources: Sequence[str]) -> tuple[str, ...]:
    """A picture for pictures: a video of one frame is of no use to anybody."""
    return _UNNAMED_OF_PHOTOGRAPHS if all(map(is_photograph, sources)) else _UNNAMED


def _check_standard_output(command: Command) -> None:
    if command.options["profile"].benchmark and command.takes_standard_output:
        raise ConfigError("--benchmark has standard output to itself; give -o a file instead of -")


def _check_display(command: Command) -> None:
    """Whether what comes of the run can be seen: a window without a display is only warned of."""
    measured = command.options["profile"]
    if measured.profile or measured.benchmark or command.options["metrics"].metrics is not None:
        return
    outputs = command.all_outputs
    if outputs and all(output == _WINDOW for output in outputs) and not has_display():
        raise SinkError(
            "no window: there is no display (DISPLAY and WAYLAND_DISPLAY are not set), and nothing "
            "else was asked for; name a file with -o, or leave --show away"
        )


def _check_segments(command: Command) -> None:
    """Raises ConfigError if nothing is there that would be cut."""
    wanted = command.options["video"].segment is not None
    if wanted and not any(map(is_video_file, command.all_outputs)):
        raise ConfigError("--segment cuts video files (.mp4, .mov, .mkv), and no output is one")


def _check_unnamed(command: Command) -> None:
    """Raises ConfigError if files that are called after sources are those of other videos of such
    a name.
    """
    if not command.unnamed or command.options["output"].overwrite:
        return
    names = plan_outputs(labels_of(command.sources), command.outputs)
    for source, (*_, record) in zip(map(str, command.sources), names, strict=True):
        found_in = recorded_source(Path(str(record)))
        if found_in is None or not Path(source).exists():
            continue
        if Path(found_in).resolve() != Path(source).resolve():
            raise ConfigError(
                f"{str(record)!r} holds what was found in another file, {found_in!r}: name outputs "
                "with -o, or add --overwrite to replace it"
            )


def _run(command: Command, signals: StopSignals, left_behind: list[str]) -> int:
    from stream.app.terminal import Terminal  # late: rich is 50 ms of every `--help`

    _check_display(command)
    _check_unnamed(command)
    _check_segments(command)
    measured = command.options["profile"]
    profiler = Profiler(measured) if measured.profile or measured.benchmark else None
    terminal = Terminal(
        command.terminal,
        signals,
        profiler,
        benchmark=measured.benchmark,
        output_taken=command.takes_standard_output,
    )
    with terminal.bar as bar, compilation_told(terminal.tell_compilation):
        run(
            command.sources,
            command.outputs,
            **{**command.options, "profile": profiler},
            on_start=terminal.start,
            on_progress=bar.update,
            on_end=lambda pipeline: left_behind.extend(terminal.end(pipeline)),
        )
    if command.unnamed:
        names = chain(*plan_outputs(labels_of(command.sources), command.outputs))
        terminal.tell_written([name for name in map(str, names) if Path(name).exists()])
    return 0
