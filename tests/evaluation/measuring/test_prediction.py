"""Overlapping decoding, network and grouping changes neither results nor order, and no failure
hangs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from configs import DataError, KeypointSet
from evaluation.measuring.prediction import find_people, predict, stream
from grouping import Grouper
from keypoint_datasets import KeypointDataset, to_results

SIZES = {7: (160, 96), 3: (96, 160), 5: (128, 128), 4: (160, 96)}


@pytest.fixture
def dataset(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet
) -> KeypointDataset:
    generator = np.random.default_rng(0)
    labels = [
        people.label(image_id, image_id, people.standing(coco, 50, 50, 80, generator), area=3000.0)
        for image_id in SIZES
    ]
    return load(labels, keypoint_set=coco, sizes=SIZES)


def test_results_are_those_of_one_image_after_the_other(
    dataset: KeypointDataset, oracle: Callable[[KeypointDataset], Any]
) -> None:
    estimator, grouper = oracle(dataset), Grouper("coco")
    one_by_one = []
    for image in dataset.images:
        maps = estimator.result(estimator.submit(dataset.read(image)))
        people = find_people(maps, grouper)
        one_by_one += to_results(people.keypoints, people.scores, image.id, 1)
    assert predict(oracle(dataset), Grouper("coco"), dataset) == one_by_one
    assert [result["image_id"] for result in one_by_one] == list(SIZES)


@pytest.mark.parametrize("in_flight", [1, 2, 5, 50])
def test_the_estimator_never_holds_more_than_it_takes(
    dataset: KeypointDataset, oracle: Callable[[KeypointDataset], Any], in_flight: int
) -> None:
    estimator = oracle(dataset)
    submitted, taken, most = [], [], 0

    class Counting:
        def __init__(self) -> None:
            self.in_flight = in_flight

        def submit(self, image: Any) -> Any:
            nonlocal most
            submitted.append(image)
            most = max(most, len(submitted) - len(taken))
            return estimator.submit(image)

        def result(self, ticket: Any) -> Any:
            taken.append(ticket)
            return estimator.result(ticket)

    predict(Counting(), Grouper("coco"), dataset)
    assert len(taken) == len(dataset)
    assert most == min(in_flight, len(dataset))


def test_a_failure_in_grouping_reaches_the_caller_and_leaves_no_maps_behind(
    dataset: KeypointDataset, oracle: Callable[[KeypointDataset], Any]
) -> None:
    estimator = oracle(dataset)

    def broken(heatmaps: Any, tags: Any, candidates: Any) -> Any:
        raise RuntimeError("broken on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        predict(estimator, broken, dataset)  # type: ignore[arg-type]
    assert estimator.maps
    assert all(maps.released for maps in estimator.maps)


def test_an_image_that_cannot_be_read_ends_the_run_with_its_name(
    dataset: KeypointDataset, oracle: Callable[[KeypointDataset], Any]
) -> None:
    images = tuple(
        replace(image, name="gone.png") if image.id == 3 else image for image in dataset.images
    )
    with pytest.raises(DataError, match=r"gone\.png"):
        predict(oracle(dataset), Grouper("coco"), replace(dataset, images=images))


def test_a_stream_that_is_left_early_ends_its_threads(
    dataset: KeypointDataset, oracle: Callable[[KeypointDataset], Any]
) -> None:
    before = threading.active_count()
    pictures = ((image.id, dataset.read(image)) for image in dataset.images)
    found = stream(oracle(dataset), pictures, lambda maps: maps.release())
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
