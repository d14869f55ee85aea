"""`python -m archive COMMAND`: thousands of videos, on one machine or many."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archive.command import Teller, run_archive
from archive.config import ClusterConfig, OutputsConfig, Settings
from archive.manifest import Manifest
from archive.report import aligned, rows_of, status_lines, table_of, write_table
from archive.storage import Folder
from basics.program import run_program
from basics.signals import StopSignals
from configs.flags import FlagParser, add_groups, from_namespace, run_command
from engine import EstimatorConfig
from stream import PeopleConfig, RenderConfig, SourceConfig, TrackingConfig, VideoConfig

NOT_ALL = 1
"""Exit code of a run after which not every video is done."""

_GROUPS = {
    "outputs": OutputsConfig,
    "estimator": EstimatorConfig,
    "people": PeopleConfig,
    "tracking": TrackingConfig,
    "source": SourceConfig,
    "render": RenderConfig,
    "video": VideoConfig,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0 when all videos are done; 1 when some failed, or the run was given up; 2
        after one line on standard error for input that cannot be used; 130 after Ctrl-C, 143 after
        SIGTERM.
    """
    with StopSignals() as signals:

        def work() -> int:
            parsed = make_parser().parse_args(arguments)
            if parsed.command == "run":
                return _run(parsed, signals)
            manifest = Manifest(Folder(parsed.folder))
            rows = rows_of(manifest)
            if parsed.command == "status":
                lines = status_lines(rows)
            elif parsed.csv is not None:
                write_table(rows, Path(parsed.csv))
                lines = []
            else:
                lines = aligned(table_of(rows))
            for line in lines:
                print(line)
            return 0

        return run_command(work)


def make_parser() -> FlagParser:
    """The parser of the command line."""
    parser = FlagParser(prog="python -m archive", description=__doc__)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=FlagParser
    )
    text = "people of many videos; goes on where an earlier run was stopped"
    run = commands.add_parser("run", help=text, description=text)
    run.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="video file, folder, pattern, list (.txt) or address (s3://, gs://, https://)",
    )
    _add_folder(run, "where outputs and manifest go")
    add_groups(run, {"cluster": ClusterConfig, **_GROUPS})
    run.add_argument(
        "-v", "--verbose", action="store_true", default=False, help="log what is begun and done"
    )
    for name, text in (
        ("status", "how far an archive is, and what failed"),
        ("report", "every video: frames, people, damage, time, why it failed"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        _add_folder(command, "of the archive")
        if name == "report":
            command.add_argument("--csv", metavar="FILE", help="write the table as CSV")
    return parser


def _add_folder(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument(
        "-o", "--output", dest="folder", required=True, metavar="OUT", help=f"folder: {text}"
    )


def _run(parsed: argparse.Namespace, signals: StopSignals) -> int:
    level = logging.INFO if parsed.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
    signals.on_stop = lambda: None  # looked at twice a second
    options: dict[str, Any] = {name: from_namespace(cls, parsed) for name, cls in _GROUPS.items()}
    end = run_archive(
        parsed.inputs,
        Settings(folder=parsed.folder, **options),
        from_namespace(ClusterConfig, parsed),
        on_progress=Teller(lambda line: print(line, file=sys.stderr, flush=True)),
        stopping=lambda: signals.received is not None,
    )
    print(str(end.progress), file=sys.stderr)
    if signals.received is not None:
        return signals.exit_code
    if end.stopped:
        print(f"given up: {end.reason}", file=sys.stderr)
    return NOT_ALL if end.stopped or end.progress.failed else 0


if __name__ == "__main__":
    sys.exit(run_program(main))
