"""COCO figures against cases computed by hand, and the whole way from maps to AP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import DataError, KeypointSet
from evaluation.measuring.prediction import evaluate, predict
from evaluation.metrics.coco import score
from grouping import Grouper
from keypoint_datasets import ImageStore, KeypointDataset, load_dataset

SIZES = {1: (320, 240), 2: (320, 240)}


def found(image_id: int, keypoints: np.ndarray, score: float) -> dict[str, Any]:
    """A COCO result at (J, 2 or 3) x, y."""
    triples = np.concatenate((keypoints[:, :2], np.full((len(keypoints), 1), score)), axis=1)
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    return {
        "image_id": image_id,
        "category_id": 1,
        "keypoints": triples.reshape(-1).tolist(),
        "score": score,
        "bbox": [*low.tolist(), *(high - low).tolist()],
    }


def displaced(
    keypoints: np.ndarray, area: float, sigmas: tuple[float, ...], oks: float
) -> np.ndarray:
    """The person with every joint moved right by just so much that the OKS is `oks`."""
    moved = keypoints.copy()
    moved[:, 0] += 2 * np.array(sigmas) * math.sqrt(2 * area * math.log(1 / oks))
    return moved


@pytest.fixture
def person(coco: KeypointSet, people: Any) -> np.ndarray:
    return people.standing(coco, 100, 100, 120, np.random.default_rng(0))


def test_ap_is_the_area_under_the_hand_drawn_curve(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet, person: np.ndarray
) -> None:
    # Two people; found in order of score: right, wrong, right. Precision 1, 1/2, 2/3 at recall 1/2,
    # 1/2, 1.
    # Of 101 recall levels, 0.00 to 0.50 (51) see precision 1 and 0.51 to 1.00 (50) see 2/3: AP =
    # (51 + 50 * 2/3) / 101.
    dataset = load(
        [people.label(1, 1, person, area=10_000.0), people.label(2, 2, person, area=10_000.0)],
        keypoint_set=coco,
        sizes=SIZES,
    )
    results = [found(1, person, 0.9), found(2, person + 1000, 0.8), found(2, person, 0.7)]
    figures = score(dataset, results)
    assert (figures.ap, figures.ap50, figures.ap75) == pytest.approx(((51 + 50 * 2 / 3) / 101,) * 3)
    assert figures.ar == figures.ar50 == figures.ar75 == 1.0


def test_the_thresholds_count_one_by_one(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet, person: np.ndarray
) -> None:
    # OKS 0.77 passes 0.50, 0.55 ... 0.75, which are 6 of the 10 thresholds.
    dataset = load(
        [people.label(1, 1, person, area=10_000.0)], keypoint_set=coco, sizes={1: (320, 240)}
    )
    figures = score(dataset, [found(1, displaced(person, 10_000.0, coco.sigmas, 0.77), 0.5)])
    assert (figures.ap, figures.ap50, figures.ap75) == pytest.approx((0.6, 1.0, 1.0))
    assert (figures.ar, figures.ar50, figures.ar75) == pytest.approx((0.6, 1.0, 1.0))
    figures = score(dataset, [found(1, displaced(person, 10_000.0, coco.sigmas, 0.73), 0.5)])
    assert (figures.ap, figures.ap50, figures.ap75) == pytest.approx((0.5, 1.0, 0.0))


def test_medium_and_large_people_are_counted_apart(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet, person: np.ndarray
) -> None:
    # Areas 50^2 (medium: 32^2 to 96^2) and 100^2 (large); only the large one is found.
    dataset = load(
        [people.label(1, 1, person, area=2_500.0), people.label(2, 2, person, area=10_000.0)],
        keypoint_set=coco,
        sizes=SIZES,
    )
    figures = score(dataset, [found(2, person, 0.5)])
    assert (figures.ap_medium, figures.ar_medium) == (0.0, 0.0)
    assert (figures.ap_large, figures.ar_large) == pytest.approx((1.0, 1.0))
    assert figures.ar == 0.5
    # recall levels 0.00 to 0.50 of 0.00 to 1.00
    assert figures.ap == pytest.approx(51 / 101)


def test_crowds_and_people_without_keypoints_are_neither_missed_nor_ghosts(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet, person: np.ndarray
) -> None:
    nobody = {
        **people.label(2, 2, person * [1, 1, 0], area=5_000.0),
        "bbox": [40.0, 40.0, 120.0, 120.0],
    }
    dataset = load(
        [people.label(1, 1, person, area=10_000.0), nobody], keypoint_set=coco, sizes=SIZES
    )
    figures = score(dataset, [found(1, person, 0.5), found(2, person, 0.9)])
    assert (figures.ap, figures.ar) == pytest.approx((1.0, 1.0))


def test_nothing_found_is_zero_and_nobody_there_is_nan(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet, person: np.ndarray
) -> None:
    dataset = load([people.label(1, 1, person, area=10_000.0)], keypoint_set=coco, sizes=SIZES)
    figures = score(dataset, [])
    assert (figures.ap, figures.ar, figures.ap_large) == (0.0, 0.0, 0.0)
    assert math.isnan(figures.ap_medium)
    assert figures.to_json()["ap_medium"] is None


def test_labels_without_area_are_refused(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet, person: np.ndarray
) -> None:
    dataset = load([people.label(1, 1, person)], keypoint_set=coco, sizes=SIZES)
    with pytest.raises(DataError, match="no area"):
        score(dataset, [])


def test_results_of_an_unknown_image_are_refused(
    load: Callable[..., KeypointDataset], people: Any, coco: KeypointSet, person: np.ndarray
) -> None:
    dataset = load([people.label(1, 1, person, area=10_000.0)], keypoint_set=coco, sizes=SIZES)
    with pytest.raises(DataError, match="image 7"):
        score(dataset, [found(7, person, 0.5)])


def crowded_labels(
    people: Any, keypoint_set: KeypointSet, sizes: dict[int, tuple[int, int]]
) -> list[dict[str, Any]]:
    generator = np.random.default_rng(1)
    labels = []
    for image_id, (width, height) in sizes.items():
        for index in range(1 + image_id % 4):
            x = width * (index + 0.5) / 4
            keypoints = people.standing(
                keypoint_set, x, height / 2, height * generator.uniform(0.4, 0.7), generator
            )
            labels.append(
                people.label(len(labels) + 1, image_id, keypoints, area=height * height / 8)
            )
    return labels


def test_maps_drawn_from_the_labels_score_near_one(
    load: Callable[..., KeypointDataset],
    people: Any,
    coco: KeypointSet,
    oracle: Callable[[KeypointDataset], Any],
) -> None:
    sizes = {index: (320, 224 + 32 * (index % 3)) for index in range(1, 10)}
    dataset = load(crowded_labels(people, coco, sizes), keypoint_set=coco, sizes=sizes)
    estimator = oracle(dataset)
    done: list[int] = []
    figures = evaluate(estimator, Grouper("coco"), dataset, done.append)
    assert figures.ap > 0.97, figures
    assert figures.ar > 0.97, figures
    assert sum(done) == len(estimator.maps) == len(dataset)
    assert all(maps.released == 1 for maps in estimator.maps)


def test_real_labels_through_grouping_score_near_one(
    shared: Path,
    write_dataset: Callable[..., Any],
    coco: KeypointSet,
    oracle: Callable[[KeypointDataset], Any],
) -> None:
    content = json.loads((shared / "data" / "coco" / "dev.json").read_text())
    images = [image for image in content["images"] if image["width"] * image["height"] < 500 * 500][
        :24
    ]
    kept = {image["id"] for image in images}
    written = write_dataset(
        [item for item in content["annotations"] if item["image_id"] in kept],
        keypoint_set=coco,
        sizes={image["id"]: (image["width"], image["height"]) for image in images},
    )
    dataset = load_dataset(written.annotations, ImageStore([written.images]), coco)
    figures = evaluate(oracle(dataset), Grouper("coco"), dataset)
    # tiny people, whose joints lie within a map pixel of each other, are what is missing
    assert figures.ap_large > 0.97, figures
    assert figures.ap > 0.9, figures


def test_what_is_written_scores_the_same_when_read_back(
    load: Callable[..., KeypointDataset],
    people: Any,
    coco: KeypointSet,
    oracle: Callable[[KeypointDataset], Any],
    tmp_path: Path,
) -> None:
    sizes = {1: (320, 240), 5: (240, 320)}
    dataset = load(crowded_labels(people, coco, sizes), keypoint_set=coco, sizes=sizes)
    results = predict(oracle(dataset), Grouper("coco"), dataset)
    (tmp_path / "out.json").write_text(json.dumps(results))
    again = score(dataset, json.loads((tmp_path / "out.json").read_text()))
    assert again.to_json() == score(dataset, results).to_json()
