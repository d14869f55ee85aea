"""The command `crowdpose`: CrowdPose's nine figures of a model on a held-out split."""

from __future__ import annotations

from configs.commands import Say
from evaluation.commands.scoring import Metric, ScoreConfig, run_score
from evaluation.metrics.crowdpose import crowding_of, score_crowdpose
from evaluation.report.tables import CROWDPOSE_COLUMNS

CROWDPOSE = Metric(
    kind="crowdpose",
    title="CrowdPose",
    columns=CROWDPOSE_COLUMNS,
    check=crowding_of,
    score=score_crowdpose,
)


def run_crowdpose(config: ScoreConfig, say: Say) -> None:
    """Says the figures, and raises, as `run_score` does."""
    run_score(CROWDPOSE, config, say)
