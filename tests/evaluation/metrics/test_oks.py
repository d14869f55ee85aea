"""OKS by hand, against pycocotools' definition, and who is matched with whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.oks import match_people, object_keypoint_similarity


def test_oks_is_what_the_formula_gives_by_hand() -> None:
    # Area 10000, sigma 0.05: (2 sigma)^2 = 0.01, so a joint 10 px away has exp(-100 / (2 * 10000 *
    # 0.01)) = exp(-0.5). Sigma 0.1: (2 sigma)^2 = 0.04, a joint 40 px away has exp(-1600 / (2 *
    # 10000 * 0.04)) = exp(-2). Their mean is the OKS.
    labelled = [[[100.0, 100.0, 2], [200.0, 200.0, 1]]]
    found = [[[110.0, 100.0, 0.9], [200.0, 240.0, 0.8]]]
    similarity = object_keypoint_similarity(found, labelled, [10000.0], (0.05, 0.1))
    assert similarity.shape == (1, 1)
    assert similarity[0, 0] == pytest.approx((np.exp(-0.5) + np.exp(-2)) / 2, abs=1e-12)


def test_unlabelled_joints_do_not_count() -> None:
    labelled = [[[100.0, 100.0, 2], [0.0, 0.0, 0]]]
    found = [[[100.0, 100.0, 0.9], [500.0, 500.0, 0.8]]]
    assert object_keypoint_similarity(found, labelled, [100.0], (0.05, 0.1))[0, 0] == 1.0


def test_a_person_without_labels_is_like_nobody() -> None:
    labelled = [[[100.0, 100.0, 0], [0.0, 0.0, 0]]]
    assert (
        object_keypoint_similarity(
            [[[100.0, 100.0, 1.0], [0.0, 0.0, 1.0]]], labelled, [0.0], (0.05, 0.1)
        )[0, 0]
        == 0.0
    )


@pytest.mark.parametrize(("people", "labels"), [(0, 0), (0, 3), (2, 0)])
def test_nobody_found_or_nobody_there_gives_an_empty_table(people: int, labels: int) -> None:
    similarity = object_keypoint_similarity(
        np.zeros((people, 2, 3)), np.ones((labels, 2, 3)), np.ones(labels), (0.1, 0.1)
    )
    assert similarity.shape == (people, labels)
    assert len(match_people(similarity, np.ones(people)).found) == 0


def test_the_best_scored_person_chooses_first() -> None:
    # Person 0 (score 0.9) prefers label 1; person 1 (score 0.5) would fit it better but takes what
    # is left, which is too far.
    similarity = np.array([[0.6, 0.7], [0.1, 0.95]])
    matches = match_people(similarity, [0.9, 0.5])
    assert matches.found.tolist() == [0]
    assert matches.labelled.tolist() == [1]
    assert matches.similarity.tolist() == [0.7]


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_nobody_is_matched_twice_and_every_pair_is_near_enough(
    people: int, labels: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    similarity = generator.random((people, labels))
    matches = match_people(similarity, generator.random(people))
    assert (
        len(set(matches.found.tolist()))
        == len(matches.found)
        == len(set(matches.labelled.tolist()))
    )
    assert (matches.similarity >= 0.5).all()
    # nobody who is left could still have found a free label
    left = np.setdiff1d(np.arange(people), matches.found)
    free = np.setdiff1d(np.arange(labels), matches.labelled)
    assert (similarity[np.ix_(left, free)] < 0.5).all()


@given(st.integers(0, 2**32 - 1))
def test_oks_agrees_with_pycocotools(seed: int) -> None:
    coco = pytest.importorskip("pycocotools.cocoeval")
    generator = np.random.default_rng(seed)
    sigmas = (0.03, 0.07, 0.1)
    labelled = generator.uniform(0, 100, (4, 3, 3))
    labelled[:, :, 2] = generator.integers(0, 3, (4, 3))
    labelled[:, 0, 2] = 2
    found, areas = generator.uniform(0, 100, (5, 3, 3)), generator.uniform(50, 5000, 4)
    evaluator = coco.COCOeval(iouType="keypoints")
    evaluator.params.kpt_oks_sigmas = np.array(sigmas)
    evaluator._gts[1, 1] = [  # noqa: SLF001 - it offers no way to score people without files
        {"keypoints": person.reshape(-1).tolist(), "bbox": [0, 0, 1, 1], "area": area}
        for person, area in zip(labelled, areas, strict=True)
    ]
    # pycocotools sorts by score: descending scores keep the order
    evaluator._dts[1, 1] = [  # noqa: SLF001 - as above
        {"keypoints": person.reshape(-1).tolist(), "score": 1 - 0.1 * index}
        for index, person in enumerate(found)
    ]
    similarity = object_keypoint_similarity(found, labelled, areas, sigmas)
    np.testing.assert_allclose(similarity, evaluator.computeOks(1, 1), rtol=1e-9, atol=1e-12)
