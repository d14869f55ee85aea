"""`python -m evaluation COMMAND`: how good, and how fast, a model is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from configs.flags import FlagParser, add_flags, from_namespace, run_command
from evaluation.commands.ablate_grouping import AblationOptions, run_ablation
from evaluation.commands.coco import ScoreOptions, run_coco, run_crowdpose
from evaluation.commands.pareto import ParetoOptions, run_pareto
from evaluation.commands.speed import SpeedOptions, run_speed
from evaluation.commands.table import TableOptions, run_table
from evaluation.commands.track import TrackOptions, run_track
from evaluation.commands.truth import TruthOptions, run_truth


class Command(NamedTuple):
    """A sub-command: the dataclass that its flags come from, what runs it, and its line in
    `--help`.
    """

    options: type[Any]
    run: Callable[[Any, Callable[[str], None]], None]
    help: str


COMMANDS = {
    "coco": Command(ScoreOptions, run_coco, "COCO keypoint AP on a held-out split"),
    "crowdpose": Command(ScoreOptions, run_crowdpose, "CrowdPose AP: all, easy, medium and hard"),
    "ablate-grouping": Command(
        AblationOptions, run_ablation, "what each grouping parameter does to AP"
    ),
    "speed": Command(
        SpeedOptions, run_speed, "milliseconds of the network, of grouping, and of the whole way"
    ),
    "pareto": Command(
        ParetoOptions,
        run_pareto,
        "AP and milliseconds of many settings over the same images, and what pays",
    ),
    "table": Command(TableOptions, run_table, "AP against milliseconds, from stored measurements"),
    "track": Command(
        TrackOptions, run_track, "how well a run's identities last: HOTA, IDF1, MOTA, switches"
    ),
    "truth": Command(TruthOptions, run_truth, "a run's records against the truth of its clip"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0, or 2 after one line on standard error for input that cannot be used, 130
    after Ctrl-C.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    return run_command(lambda: _run(arguments))


def _parser() -> FlagParser:
    parser = FlagParser(prog="python -m evaluation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        add_flags(
            commands.add_parser(name, help=command.help, description=command.help), command.options
        )
    return parser


def _run(arguments: Sequence[str] | None) -> int:
    namespace = _parser().parse_args(arguments)
    command = COMMANDS[namespace.command]
    command.run(from_namespace(command.options, namespace), print)
    return 0


if __name__ == "__main__":
    sys.exit(main())
