"""People and labels to AP, and accuracy against time; `python -m evaluation --help`.

with ImageStore([Path("val2017.zip")]) as store:
    dataset = load_dataset(Path("person_keypoints_val2017.json"), store, load_keypoint_set("coco"))
    figures = evaluate(NetworkEstimator(network), Grouper("coco"), dataset)

`load_keypoint_set` is of `configs`, `ImageStore` and `load_dataset` are of `keypoint_datasets`.
"""

from basics.quiet_start import leave_quietly

leave_quietly(__name__)

from evaluation.measuring.network import NetworkEstimator
from evaluation.measuring.prediction import evaluate, evaluate_crowdpose, predict
from evaluation.metrics.coco import CocoFigures, score
from evaluation.metrics.crowdpose import CrowdPoseFigures, score_crowdpose
from evaluation.metrics.oks import match_people, object_keypoint_similarity

__all__ = [
    "CocoFigures",
    "CrowdPoseFigures",
    "NetworkEstimator",
    "evaluate",
    "evaluate_crowdpose",
    "match_people",
    "object_keypoint_similarity",
    "predict",
    "score",
    "score_crowdpose",
]
