"""CrowdPose figures against cases computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from configs import DataError, KeypointSet
from evaluation.measuring.prediction import evaluate_crowdpose
from evaluation.metrics.crowdpose import crowding_of, score_crowdpose
from grouping import Grouper
from keypoint_datasets import KeypointDataset

SIZES = dict.fromkeys(range(1, 5), (320, 320))


@pytest.fixture
def square(crowdpose: KeypointSet) -> np.ndarray:
    """14 joints whose box is exactly 100 x 100: CrowdPose's area is then 5300."""
    return np.stack(
        (np.linspace(100, 200, 14), np.linspace(200, 100, 14), np.full(14, 2.0)), axis=1
    )


def found(image_id: int, keypoints: np.ndarray, score: float) -> dict[str, Any]:
    triples = np.concatenate((keypoints[:, :2], np.full((14, 1), score)), axis=1)
    box = [0.0, 0.0, 10.0, 10.0]
    return {
        "image_id": image_id,
        "category_id": 1,
        "keypoints": triples.reshape(-1).tolist(),
        "score": score,
        "bbox": box,
    }


def displaced(
    keypoints: np.ndarray, area: float, sigmas: tuple[float, ...], oks: float
) -> np.ndarray:
    moved = keypoints.copy()
    moved[:, 0] += 2 * np.array(sigmas) * math.sqrt(2 * area * math.log(1 / oks))
    return moved


def test_oks_uses_053_of_the_box(
    load: Callable[..., KeypointDataset], people: Any, crowdpose: KeypointSet, square: np.ndarray
) -> None:
    # Moved so that OKS is 0.77 at area 0.53 * 100 * 100 = 5300: 6 of 10 thresholds are passed. With
    # the whole box as the area it would be 0.77^0.53 = 0.871 and 8 of them; with the "area" that a
    # file may hold (1e6) it would be all 10.
    dataset = load(
        [people.label(1, 1, square, area=1e6)],
        keypoint_set=crowdpose,
        sizes={1: (320, 320)},
        crowd_indices={1: 0.5},
    )
    figures = score_crowdpose(
        dataset, [found(1, displaced(square, 5300.0, crowdpose.sigmas, 0.77), 0.9)]
    )
    assert (figures.ap, figures.ap50, figures.ap75) == pytest.approx((0.6, 1.0, 1.0))
    assert (figures.ar, figures.ar50, figures.ar75) == pytest.approx((0.6, 1.0, 1.0))


def test_the_splits_are_cut_where_the_evaluator_cuts_them(
    load: Callable[..., KeypointDataset], people: Any, crowdpose: KeypointSet, square: np.ndarray
) -> None:
    # 0.15 is easy (the paper's 0.1 would make it medium), 0.2 is medium, 0.8 is hard.
    dataset = load(
        [people.label(index, index, square) for index in SIZES],
        keypoint_set=crowdpose,
        sizes=SIZES,
        crowd_indices={1: 0.15, 2: 0.2, 3: 0.79, 4: 0.8},
    )
    assert crowding_of(dataset) == {"easy": [1], "medium": [2, 3], "hard": [4]}
    # Easy: found (AP 1). Medium: one of two found, precision 1 for recall levels 0.00 to 0.50: AP
    # 51 / 101. Hard: OKS 0.62 passes 0.50, 0.55 and 0.60, so AP 0.3.
    results = [
        found(1, square, 0.9),
        found(2, square, 0.8),
        found(4, displaced(square, 5300.0, crowdpose.sigmas, 0.62), 0.7),
    ]
    figures = score_crowdpose(dataset, results)
    assert (figures.ap_easy, figures.ap_medium, figures.ap_hard) == pytest.approx(
        (1.0, 51 / 101, 0.3)
    )
    # Overall, at 0.50 to 0.60 three of four are found: recall levels 0.00 to 0.75 (76). Above, two
    # of four, and the third result is wrong but comes last: 0.00 to 0.50 (51).
    assert figures.ap == pytest.approx((3 * 76 + 7 * 51) / 10 / 101)
    assert figures.ar == pytest.approx((3 * 0.75 + 7 * 0.5) / 10)


def test_people_without_keypoints_are_ignored_and_an_empty_split_is_nan(
    load: Callable[..., KeypointDataset], people: Any, crowdpose: KeypointSet, square: np.ndarray
) -> None:
    nobody = {**people.label(2, 1, square * [1, 1, 0]), "bbox": [100.0, 100.0, 100.0, 100.0]}
    dataset = load(
        [people.label(1, 1, square), nobody],
        keypoint_set=crowdpose,
        sizes={1: (320, 320)},
        crowd_indices={1: 0.0},
    )
    figures = score_crowdpose(dataset, [found(1, square, 0.9), found(1, square + 20, 0.8)])
    assert (figures.ap, figures.ap_easy) == pytest.approx((1.0, 1.0))
    assert math.isnan(figures.ap_medium)
    assert math.isnan(figures.ap_hard)


def test_maps_drawn_from_the_labels_score_near_one(
    load: Callable[..., KeypointDataset],
    people: Any,
    crowdpose: KeypointSet,
    oracle: Callable[[KeypointDataset], Any],
) -> None:
    generator = np.random.default_rng(3)
    labels = [
        people.label(
            4 * image + index,
            image,
            people.standing(crowdpose, 50 + 80 * index, 160, 200, generator),
        )
        for image in SIZES
        for index in range(image)
    ]
    dataset = load(
        labels, keypoint_set=crowdpose, sizes=SIZES, crowd_indices={1: 0.1, 2: 0.3, 3: 0.5, 4: 0.9}
    )
    figures = evaluate_crowdpose(oracle(dataset), Grouper("crowdpose"), dataset)
    assert min(figures.ap, figures.ap_easy, figures.ap_medium, figures.ap_hard) > 0.97, figures


def test_a_file_without_crowding_is_refused_before_the_work(
    load: Callable[..., KeypointDataset], people: Any, crowdpose: KeypointSet, square: np.ndarray
) -> None:
    dataset = load([people.label(1, 1, square)], keypoint_set=crowdpose, sizes={1: (320, 320)})
    with pytest.raises(DataError, match="crowdIndex"):
        evaluate_crowdpose(None, None, dataset)  # type: ignore[arg-type]


@pytest.mark.parametrize("crowding", [math.nan, -0.1, 1.5])
def test_crowding_that_is_no_share_is_refused(
    load: Callable[..., KeypointDataset],
    people: Any,
    crowdpose: KeypointSet,
    square: np.ndarray,
    crowding: float,
) -> None:
    labels = [people.label(1, 1, square)]
    dataset = load(
        labels, keypoint_set=crowdpose, sizes={1: (320, 320)}, crowd_indices={1: crowding}
    )
    with pytest.raises(DataError, match="it must be 0 to 1"):
        score_crowdpose(dataset, [])
