"""People and labels to AP, and accuracy against time; `python -m evaluation --help`.

with ImageStore([Path("val2017.zip")]) as images:
    dataset = load_dataset(Path("person_keypoints_val2017.json"), images, load_keypoint_set("coco"))
    figures = evaluate(NetworkEstimator(network), Grouper("coco"), dataset)
"""

from evaluation.dataset import PoseDataset, load_dataset
from evaluation.images import ImageStore
from evaluation.measuring.network import NetworkEstimator
from evaluation.measuring.prediction import predict
from evaluation.metrics.coco import CocoFigures, evaluate, score
from evaluation.metrics.crowdpose import CrowdPoseFigures, evaluate_crowdpose, score_crowdpose
from evaluation.metrics.oks import match_people, object_keypoint_similarity

__all__ = [
    "CocoFigures",
    "CrowdPoseFigures",
    "ImageStore",
    "NetworkEstimator",
    "PoseDataset",
    "evaluate",
    "evaluate_crowdpose",
    "load_dataset",
    "match_people",
    "object_keypoint_similarity",
    "predict",
    "score",
    "score_crowdpose",
]
