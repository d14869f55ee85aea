"""Labelled images: where images are, who is labelled in them, and how found people are written.

with ImageStore([Path("val2017.zip")]) as store:
    dataset = load_dataset(Path("person_keypoints_val2017.json"), store, load_keypoint_set("coco"))
    image = dataset.read(dataset.images[0])
"""

from keypoint_datasets.coco import read_image_ids, read_labels
from keypoint_datasets.dataset import KeypointDataset, load_dataset, with_images
from keypoint_datasets.images import CLIP_SUFFIXES, IMAGE_SUFFIXES, ImageStore, is_clip, is_image
from keypoint_datasets.labels import CocoLabels, LabelledImage
from keypoint_datasets.results import Result, to_results

__all__ = [
    "CLIP_SUFFIXES",
    "IMAGE_SUFFIXES",
    "CocoLabels",
    "ImageStore",
    "KeypointDataset",
    "LabelledImage",
    "Result",
    "is_clip",
    "is_image",
    "load_dataset",
    "read_image_ids",
    "read_labels",
    "to_results",
    "with_images",
]
