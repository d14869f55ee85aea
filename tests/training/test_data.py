"""Labels in, crops out: where joints land, what is masked, in which order images come, and what is
refused.
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from configs import ConfigError, DataError, load_keypoint_set
from configs.training import AugmentationConfig, DataSource
from keypoint_datasets import read_labels
from tests.training.drawn import HEIGHT, WIDTH, People, annotation
from training.augmentation import Crop
from training.dataset import PoseDataset, SampleKey, collate
from training.sampling import BatchStream, SampleStream
from training.targets import to_map

COCO = load_keypoint_set("coco")


def dataset(
    people: People, augmentation: AugmentationConfig | None = None, **changes: Any
) -> PoseDataset:
    return PoseDataset([people.save()], COCO, outputs=2, augmentation=augmentation, **changes)


def test_joints_stay_on_their_pixels_whatever_the_augmentation(people: People) -> None:
    """A bright dot at one joint of an otherwise black image is found where the labels say, in every
    random crop.
    """
    joints = np.zeros((17, 3))
    joints[5] = (70, 50, 2)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.circle(image, (70, 50), 2, (255, 255, 255), -1)
    cv2.imwrite(str(people.folder / "0000.png"), image)
    people.content["images"] = people.content["images"][:1]
    people.content["annotations"] = [annotation(1, 1, joints)]
    data = dataset(people, AugmentationConfig(scale_min=1.2))
    mirrored = 0
    for number in range(40):
        sample = data[SampleKey(0, number, 128)]
        labels = collate([sample]).labels
        x, y, visible = to_map(labels.joints_unit, labels.mirrored, 128)[
            0, 0, 6 if sample.mirrored else 5
        ].tolist()
        assert visible == 2
        if not (4 < x < 124 and 4 < y < 124):
            continue
        mirrored += sample.mirrored
        weight = sample.image[..., 0].astype(float)
        rows, columns = np.indices(weight.shape)
        assert (weight * columns).sum() / weight.sum() == pytest.approx(x, abs=0.3)
        assert (weight * rows).sum() / weight.sum() == pytest.approx(y, abs=0.3)
    assert 5 < mirrored < 35


def dot_and_data(people: People, **changes: Any) -> PoseDataset:
    """One image, black but for a bright dot at (70, 50), where joint 5 of its person is."""
    joints = np.zeros((17, 3))
    joints[5] = (70, 50, 2)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.circle(image, (70, 50), 2, (255, 255, 255), -1)
    cv2.imwrite(str(people.folder / "0000.png"), image)
    people.content["images"] = people.content["images"][:1]
    people.content["annotations"] = [annotation(1, 1, joints)]
    return dataset(people, AugmentationConfig(**{"scale_min": 1.2, "mirror": "exact", **changes}))


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    weight = image[..., 0].astype(float)
    rows, columns = np.indices(weight.shape)
    return (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()


def test_exactly_mirrored_joints_are_on_their_pixels_at_every_resolution(people: People) -> None:
    """A map pixel covers whole input pixels, so a joint on input pixel x is on x / 4 at stride 4;
    the reference's mirrored joints are 0.75 map pixels off there.
    """
    data = dot_and_data(people)
    sides = set()
    for number in range(40):
        labels = collate([sample := data[SampleKey(0, number, 128)]]).labels
        assert not sample.mirrored
        side = int(labels.joints_unit[0, 0, 6, 2] > 0)
        joint = to_map(labels.joints_unit, labels.mirrored, 128)[0, 0, 5 + side]
        coarse = to_map(labels.joints_unit, labels.mirrored, 32)[0, 0, 5 + side]
        torch.testing.assert_close(coarse[:2], joint[:2] / 4)
        if 4 < joint[0] < 124 and 4 < joint[1] < 124:
            sides.add(side)
            assert joint[:2].tolist() == pytest.approx(centre_of_mass(sample.image), abs=0.3)
    assert sides == {0, 1}


def test_a_mosaic_keeps_joints_on_their_pixels_and_drops_those_cut_off(people: People) -> None:
    data = dot_and_data(people, mosaic=1.0, scale_min=0.5, translation=0.6)
    seen, cut_off = 0, 0
    for number in range(40):
        sample = data[SampleKey(0, number, 128)]
        assert sample.image.shape == (128, 128, 3)
        assert [mask.shape for mask in sample.masks] == [(32, 32), (64, 64)]
        cut_off += 4 - len(sample.joints_unit)
        for person in sample.joints_unit:
            ((x, y, _),) = person[person[:, 2] > 0] * (128, 128, 1)
            left, top = int(x) // 64 * 64, int(y) // 64 * 64
            if 4 < x - left < 60 and 4 < y - top < 60:
                seen += 1
                quarter = sample.image[top : top + 64, left : left + 64]
                found = centre_of_mass(quarter)
                assert (x - left, y - top) == pytest.approx(found, abs=0.5)
    assert seen > 60
    assert cut_off


def test_padding_is_supervised_only_where_asked(people: People) -> None:
    for supervised in (False, True):
        data = dot_and_data(people, supervise_padding=supervised, scale_max=3.0)
        masks = [data[SampleKey(0, number, 128)].masks[0] for number in range(10)]
        assert all(mask.all() for mask in masks) == supervised


def test_a_mosaic_of_inexact_mirrors_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs mirror: exact"):
        AugmentationConfig(mosaic=0.5)


ANYWHERE = st.floats(-50, 400)


@given(
    st.tuples(ANYWHERE, ANYWHERE), st.floats(20, 800), st.floats(-180, 180), st.booleans(), ANYWHERE
)
def test_a_crop_maps_its_centre_to_the_middle_and_keeps_angles(
    centre: tuple[float, float], side_px: float, rotation: float, mirrored: bool, x: float
) -> None:
    affine = Crop(centre, side_px, rotation, mirrored).to_map(64)
    middle = affine[:, :2] @ centre + affine[:, 2]
    assert middle == pytest.approx((31 if mirrored else 32, 32), abs=1e-6)
    scale = 64 / side_px
    assert np.linalg.det(affine[:, :2]) == pytest.approx(
        (-1 if mirrored else 1) * scale**2, rel=1e-6
    )
    assert np.linalg.norm(affine[:, :2] @ (x, 0.0)) == pytest.approx(
        abs(x) * scale, rel=1e-6, abs=1e-9
    )


def test_crowds_and_people_without_keypoints_are_masked(people: People) -> None:
    nobody = np.zeros((17, 3))
    rle = {
        "size": [HEIGHT, WIDTH],
        "counts": [HEIGHT * 60, HEIGHT * 30, HEIGHT * 30],
    }  # columns 60 to 89
    polygon = [[0.0, 80.0, 20.0, 80.0, 20.0, 96.0, 0.0, 96.0]]
    people.content["annotations"] = [
        annotation(1, 1, nobody, bbox=[10, 10, 20, 30]),
        annotation(2, 1, nobody, segmentation=rle, iscrowd=1),
        annotation(3, 1, nobody, segmentation=polygon),
    ]
    people.save()
    mask = read_labels(people.annotations, COCO).images[0].mask()
    assert mask is not None
    expected = np.full((HEIGHT, WIDTH), 255, np.uint8)
    expected[10:40, 10:30] = 0
    expected[:, 60:90] = 0
    expected[80:96, 0:20] = 0
    assert (mask != expected).mean() < 0.005
    assert read_labels(people.annotations, COCO, with_regions=False).images[0].mask() is None
    whole = dataset(people)[SampleKey(0, 0, 128)]
    padding = (WIDTH - HEIGHT) / WIDTH
    assert whole.masks[1].mean() == pytest.approx((1 - padding) * (expected > 0).mean(), abs=0.02)


def test_a_zip_archive_serves_the_same_images_as_its_folder(people: People, tmp_path: Path) -> None:
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in people.folder.glob("*.png"):
            file.write(path, f"train2017/{path.name}")
    zipped = PoseDataset(
        [DataSource(annotations=people.annotations, images=(archive,))],
        COCO,
        outputs=1,
        augmentation=None,
    )
    plain = dataset(people)
    plain.cache()
    for index in range(len(plain)):
        np.testing.assert_array_equal(zipped.image(index), plain.image(index))
    again = pickle.loads(pickle.dumps(zipped))  # as a spawned worker gets it
    np.testing.assert_array_equal(again.image(0), plain.image(0))


def test_the_same_key_makes_the_same_crop_and_another_number_another(people: People) -> None:
    data = dataset(people, AugmentationConfig(brightness=0.3, hue_degrees=20), seed=5)
    first, same, other = (data[SampleKey(1, number, 64)] for number in (7, 7, 8))
    np.testing.assert_array_equal(first.image, same.image)
    assert (first.image != other.image).mean() > 0.1


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.sampled_from([0.5, 1.0, 2.5])), min_size=1, max_size=3
    ),
    st.integers(0, 3),
)
def test_an_epoch_shows_every_image_as_often_as_its_set_weighs(
    sets: list[tuple[int, float]], epoch: int
) -> None:
    sizes, weights = zip(*sets, strict=True)
    stream = SampleStream(sizes, weights, seed=1)
    shown = [
        stream.image(epoch * stream.epoch_samples + position)
        for position in range(stream.epoch_samples)
    ]
    counts = np.bincount(shown, minlength=sum(sizes))
    first = 0
    for size, weight in sets:
        part = counts[first : first + size]
        assert part.sum() == max(1, round(size * weight))
        assert part.max() - part.min() <= 1
        first += size


@given(st.integers(0, 30), st.sampled_from([1, 2, 4]))
def test_processes_share_each_batch_without_overlap_from_any_step(
    first_step: int, processes: int
) -> None:
    def batches(rank: int, count: int) -> list[list[SampleKey]]:
        share = {"first_step": first_step, "rank": rank, "processes": count}
        parts = iter(
            BatchStream(
                SampleStream([7], [1.0], seed=2), batch_size=4, size_px=lambda step: 64, **share
            )
        )
        return [next(parts) for _ in range(3)]

    whole = batches(0, 1)
    parts = [batches(rank, processes) for rank in range(processes)]
    for step in range(3):
        together = [key for part in parts for key in part[step]]
        assert sorted(together, key=lambda key: key.number) == whole[step]
    assert whole[0][0].number == 4 * first_step


def test_collate_pads_people_with_unlabelled_ones(people: People) -> None:
    people.content["annotations"] = people.content["annotations"][1:]
    data = dataset(people)
    batch = collate([data[SampleKey(index, index, 64)] for index in range(2)])
    assert batch.labels.joints_unit.shape == (2, 2, 17, 3)
    assert not batch.labels.joints_unit[0, 1].any()
    assert batch.images.dtype == torch.uint8


def test_keypoints_outside_the_image_are_dropped_with_one_warning(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    people.content["annotations"][0]["keypoints"][:6] = [-30.0, 10.0, 2.0, 500.0, 10.0, 2.0]
    images = read_labels(people.save().annotations, COCO).images
    assert images[0].joints[0, :3, 2].tolist() == [0, 0, 2]
    assert [record.message for record in caplog.records] == [
        f"{people.annotations}: 2 keypoints lie outside their image and are not learnt from"
    ]


def test_sixty_people_in_one_image_are_kept(people: People) -> None:
    person = people.content["annotations"][0]
    people.content["annotations"] += [{**person, "id": 100 + number} for number in range(58)]
    images = read_labels(people.save().annotations, COCO).images
    assert len(images[0].joints) == 60


def spoil(**changes: Any) -> Any:
    def apply(people: People) -> None:
        people.content["annotations"][3].update(changes)

    return apply


def not_json(people: People) -> None:
    people.annotations.write_text("{")


def without_images(people: People) -> None:
    (people.folder / "0002.png").unlink()
    (people.folder / "0004.png").unlink()


def damaged(people: People) -> None:
    (people.folder / "0000.png").write_bytes(b"not a picture")


def other_size(people: People) -> None:
    cv2.imwrite(str(people.folder / "0000.png"), np.zeros((10, 20, 3), np.uint8))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            spoil(category_id=99),
            r"annotation 4 of .* has the unknown category 99; the file defines \[1\]",
        ),
        (spoil(image_id=77), "annotation 4 of .* belongs to image 77, which is not among"),
        (spoil(keypoints=[float("nan")] * 51), "annotation 4 of .* not a finite number"),
        (
            spoil(keypoints=[1.0] * 42),
            "annotation 4 of .* has 42 numbers as keypoints, but needs 51",
        ),
        (spoil(keypoints=["x"] * 51), "annotation 4 of .* not a finite number"),
        (
            spoil(keypoints=[0.0] * 51, bbox=[1, 2]),
            "annotation 4 of .* has 2 numbers as a box, but needs 4",
        ),
        (without_images, r"2 of 6 images are missing, the first is '0002\.png'"),
        (damaged, r"cannot decode image '0000\.png'"),
        (other_size, r"'0000\.png' is 20x10 pixels but its labels are for 120x96"),
    ],
)
def test_data_that_cannot_be_used_is_one_clear_line(
    people: People, fault: Any, message: str
) -> None:
    fault(people)
    with pytest.raises(DataError, match=message) as caught:
        dataset(people).cache()
    assert "\n" not in str(caught.value)


def test_files_that_are_not_coco_are_refused(people: People, tmp_path: Path) -> None:
    source = people.source
    not_json(people)
    for changed, message in (
        (source, "not valid JSON"),
        (replace(source, annotations=tmp_path / "none.json"), "cannot read annotations"),
    ):
        with pytest.raises(DataError, match=message):
            PoseDataset([changed], COCO, outputs=1, augmentation=None)
    people.save()
    with pytest.raises(DataError, match="neither a folder, a readable zip archive"):
        PoseDataset(
            [replace(source, images=(people.annotations,))], COCO, outputs=1, augmentation=None
        )
