"""Images through an estimator and grouping, with decoding, network and grouping overlapped."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from basics.progress import Advance
from engine import PoseMaps
from evaluation.metrics.coco import CocoFigures, score
from evaluation.metrics.crowdpose import CrowdPoseFigures, crowding_of, score_crowdpose
from grouping import Grouper, People
from keypoint_datasets import KeypointDataset, Result, to_results

Key = TypeVar("Key")
Found = TypeVar("Found")


class Estimator(Protocol):
    """Images to maps, several in flight; `engine.open_estimator` and
    `evaluation.measuring.network.NetworkEstimator` give one.
    """

    @property
    def in_flight(self) -> int:
        """How many images may be submitted before the first result is taken."""

    def submit(self, image_bgr: NDArray[np.uint8], /) -> Any:
        """Starts on (H, W, 3) uint8 BGR and returns a ticket."""

    def result(self, ticket: Any, /) -> PoseMaps:
        """The maps for a ticket, in the order of submission; waits for them."""


def group_maps(maps: PoseMaps, grouper: Grouper) -> People:
    """The people in `maps`, in pixels of the image."""
    return grouper(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment)


def find_people(maps: PoseMaps, grouper: Grouper) -> People:
    """The people in `maps`, in pixels of the image; gives the maps' buffers back."""
    try:
        return group_maps(maps, grouper)
    finally:
        maps.release()


def stream(
    estimator: Estimator,
    images: Iterable[tuple[Key, NDArray[np.uint8]]],
    group: Callable[[PoseMaps], Found],
) -> Iterator[tuple[Key, Found]]:
    """What is made of each image, in order, with network and grouping overlapped.

    As many images are with the estimator as it takes, so that the network never waits.

    Args:
        estimator: Images to maps.
        images: Any key, and the image (H, W, 3) uint8 BGR.
        group: What to make of an image's maps; runs in a thread of its own, and releases them.

    Yields:
        The image's key, and what was made of it.
    """
    with ThreadPoolExecutor(1, "group") as thread:
        submitted: collections.deque[tuple[Key, Any]] = collections.deque()
        grouped: collections.deque[tuple[Key, Future[Found]]] = collections.deque()

        def take() -> None:
            key, ticket = submitted.popleft()
            grouped.append((key, thread.submit(group, estimator.result(ticket))))

        for key, image in images:
            submitted.append((key, estimator.submit(image)))
            if len(submitted) >= max(estimator.in_flight, 1):
                take()
            # Maps hold the estimator's buffers until they are grouped: no more than one set of them
            # waits.
            while len(grouped) > 1:
                key, found = grouped.popleft()
                yield key, found.result()
        while submitted:
            take()
        for key, found in grouped:
            yield key, found.result()


def predict(
    estimator: Estimator,
    grouper: Grouper,
    dataset: KeypointDataset,
    progress: Advance | None = None,
) -> list[Result]:
    """The people in every image of a dataset.

    Args:
        estimator: Images to maps; a torch network in memory becomes one with `NetworkEstimator`.
        grouper: Maps to people.
        dataset: The images.
        progress: Is told of each image that is done.

    Returns:
        COCO results, in the order of the images.

    Raises:
        DataError: An image cannot be read.
        ExecutionError: The estimator failed.
    """
    found: dict[int, list[Result]] = {}
    for image_id, people in stream(
        estimator, decoded(dataset), lambda maps: find_people(maps, grouper)
    ):
        found[image_id] = to_results(people.keypoints, people.scores, image_id, dataset.category_id)
        if progress is not None:
            progress(1)
    return [result for image in dataset.images for result in found[image.id]]


def evaluate(
    estimator: Estimator,
    grouper: Grouper,
    dataset: KeypointDataset,
    progress: Advance | None = None,
) -> CocoFigures:
    """How well an estimator and grouping find the people of a dataset, by COCO's figures.

    Args:
        estimator: As in `predict`.
        grouper: As in `predict`.
        dataset: As in `predict`.
        progress: As in `predict`.

    Raises:
        DataError: An image cannot be read, or the labels have no areas.
        ExecutionError: The estimator failed.
        RuntimeUnavailableError: pycocotools is missing.
    """
    return score(dataset, predict(estimator, grouper, dataset, progress))


def evaluate_crowdpose(
    estimator: Estimator,
    grouper: Grouper,
    dataset: KeypointDataset,
    progress: Advance | None = None,
) -> CrowdPoseFigures:
    """How well an estimator and grouping find the people of a CrowdPose dataset.

    Args:
        estimator: As in `predict`.
        grouper: As in `predict`.
        dataset: As in `predict`; its images have a crowdIndex.
        progress: As in `predict`.

    Raises:
        DataError: An image cannot be read, or the labels are not CrowdPose's.
        ExecutionError: The estimator failed.
        RuntimeUnavailableError: pycocotools is missing.
    """
    crowding_of(dataset)  # say so before the work if the labels have none
    return score_crowdpose(dataset, predict(estimator, grouper, dataset, progress))


def decoded(dataset: KeypointDataset, ahead: int = 4) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Every image of a dataset, decoded ahead by a thread.

    Images of one shape follow each other, so that a runtime which prepares itself for a shape does
    so once: the network's input follows the aspect ratio (docs/reference.md, section 2.2).

    Args:
        dataset: The images.
        ahead: How many are decoded before they are asked for.

    Yields:
        Image id, and pixels (H, W, 3) uint8 BGR.

    Raises:
        DataError: An image cannot be read.
    """
    images = sorted(dataset.images, key=lambda image: (image.width / image.height, image.width))
    with ThreadPoolExecutor(1, "decode") as decoder:
        started: collections.deque[tuple[int, Future[NDArray[np.uint8]]]] = collections.deque()
        try:
            for image in images:
                started.append((image.id, decoder.submit(dataset.read, image)))
                if len(started) > ahead:
                    image_id, pixels = started.popleft()
                    yield image_id, pixels.result()
            while started:
                image_id, pixels = started.popleft()
                yield image_id, pixels.result()
        finally:
            for _, pixels in started:
                pixels.cancel()
