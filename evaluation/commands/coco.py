"""The command `coco`: COCO's ten figures of a model on a held-out split."""

from __future__ import annotations

from configs.commands import Say
from evaluation.commands.scoring import Metric, ScoreConfig, run_score
from evaluation.metrics.coco import check_areas, score
from evaluation.report.tables import COCO_COLUMNS

COCO = Metric(
    kind="coco", title="COCO keypoint", columns=COCO_COLUMNS, check=check_areas, score=score
)


def run_coco(config: ScoreConfig, say: Say) -> None:
    """Says the figures, and raises, as `run_score` does."""
    run_score(COCO, config, say)
