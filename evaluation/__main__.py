"""`python -m evaluation COMMAND`: how good, and how fast, a model is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from basics.program import run_program
from configs.commands import Command, run_commands
from evaluation.commands.ablate_grouping import AblationConfig, run_ablation
from evaluation.commands.cameras import CamerasConfig, run_cameras
from evaluation.commands.coco import run_coco
from evaluation.commands.crowdpose import run_crowdpose
from evaluation.commands.pareto import ParetoConfig, run_pareto
from evaluation.commands.scoring import ScoreConfig
from evaluation.commands.speed import SpeedConfig, run_speed
from evaluation.commands.table import TableConfig, run_table
from evaluation.commands.track import TrackConfig, run_track
from evaluation.commands.truth import TruthConfig, run_truth

COMMANDS = {
    "coco": Command(ScoreConfig, run_coco, "COCO keypoint AP on a held-out split"),
    "crowdpose": Command(ScoreConfig, run_crowdpose, "CrowdPose AP: all, easy, medium and hard"),
    "ablate-grouping": Command(
        AblationConfig, run_ablation, "what each grouping parameter does to AP"
    ),
    "speed": Command(
        SpeedConfig, run_speed, "milliseconds of the network, of grouping, and of the whole way"
    ),
    "cameras": Command(
        CamerasConfig, run_cameras, "how many cameras one engine serves, from its milliseconds"
    ),
    "pareto": Command(
        ParetoConfig,
        run_pareto,
        "AP and milliseconds of many settings over the same images, and what pays",
    ),
    "table": Command(TableConfig, run_table, "AP against milliseconds, from stored measurements"),
    "track": Command(
        TrackConfig, run_track, "how well a run's identities last: HOTA, IDF1, MOTA, switches"
    ),
    "truth": Command(TruthConfig, run_truth, "a run's records against the truth of its clip"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code of `configs.commands.run_commands`."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    return run_commands("evaluation", __doc__ or "", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(run_program(main))
