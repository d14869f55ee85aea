"""Labelled images as network inputs and labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from configs import DataError, KeypointSet
from configs.training import AugmentationConfig, DataSource
from keypoint_datasets import ImageStore, KeypointDataset, LabelledImage, read_labels, with_images
from training.augmentation import draw_colours, draw_crop, whole_image
from training.losses import STRIDE_PX, Labels

logger = logging.getLogger(__name__)


class SampleKey(NamedTuple):
    """What a sample is made from.

    Attributes:
        image: Number of the image.
        number: Which sample of the training it is; decides what is drawn at random.
        size_px: Side of the crop.
    """

    image: int
    number: int
    size_px: int


class Sample(NamedTuple):
    """One crop with its labels.

    Attributes:
        image: (S, S, 3) uint8 BGR.
        joints_unit: (P, J, 3) float64, as in `Labels`.
        mirrored: Whether it is shown mirrored.
        masks: One (R, R) bool for every resolution; False where nothing is supervised.
    """

    image: NDArray[np.uint8]
    joints_unit: NDArray[np.float64]
    mirrored: bool
    masks: list[NDArray[np.bool_]]


@dataclass(frozen=True)
class Batch:
    """N samples as tensors.

    Attributes:
        images: (N, S, S, 3) uint8 BGR.
        labels: What is known of them.
    """

    images: Tensor
    labels: Labels

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`."""
        labels = self.labels
        masks = [mask.to(device, non_blocking=True) for mask in labels.masks]
        moved = Labels(
            labels.joints_unit.to(device, non_blocking=True),
            labels.mirrored.to(device, non_blocking=True),
            masks,
        )
        return Batch(self.images.to(device, non_blocking=True), moved)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory (called by DataLoader)."""
        labels = self.labels
        masks = [mask.pin_memory() for mask in labels.masks]
        pinned = Labels(labels.joints_unit.pin_memory(), labels.mirrored.pin_memory(), masks)
        return Batch(self.images.pin_memory(), pinned)


class PoseDataset(Dataset[Sample]):
    """Crops of labelled images; with the same seed and key always the same crop, in whatever
    process it is made.
    """

    def __init__(
        self,
        sources: Sequence[DataSource],
        keypoint_set: KeypointSet,
        *,
        outputs: int,
        augmentation: AugmentationConfig | None,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        """Reads and checks the annotations of all sources, and that their images are there.

        Args:
            sources: Annotations and their images.
            keypoint_set: Joints that are learned.
            outputs: How many output resolutions there are (deconvolutions + 1).
            augmentation: What is drawn at random; None shows every image whole.
            seed: Of all that is drawn.
            limit: Use only so many images, evenly spread.

        Raises:
            DataError: Something cannot be used.
        """
        self.keypoint_set = keypoint_set
        self.outputs = outputs
        self.augmentation = augmentation
        self.seed = seed
        self.images: list[LabelledImage] = []
        self.set_sizes: list[int] = []
        self._sets: list[KeypointDataset] = []
        self._set_of: list[int] = []
        self._flip = list(keypoint_set.flip_indices)
        for number, source in enumerate(sources):
            labelled = _open_set(source, keypoint_set, limit)
            self._sets.append(labelled)
            self.images += labelled.images
            self.set_sizes.append(len(labelled))
            self._set_of += [number] * len(labelled)
        self._decoded: list[NDArray[np.uint8]] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def cache(self) -> None:
        """Decodes all images into memory; worker processes that are forked afterwards share it."""
        with ThreadPoolExecutor() as pool:
            self._decoded = list(pool.map(self.image, range(len(self))))
        size_mib = sum(image.nbytes for image in self._decoded) / 2**20
        logger.info("%d images decoded into memory, %.0f MiB", len(self._decoded), size_mib)

    def __getitem__(self, key: SampleKey) -> Sample:
        """The crop that `key` stands for, or a mosaic of it and three others.

        Raises:
            DataError: An image cannot be decoded, or its size is not the annotated one.
        """
        random = np.random.default_rng((self.seed, key.number))
        config = self.augmentation
        if config is None or not config.mosaic or random.random() >= config.mosaic:
            return self._crop(key.image, random, key.size_px)
        indices = [key.image, *random.integers(len(self.images), size=3).tolist()]
        return _mosaic([self._crop(index, random, key.size_px // 2) for index in indices])

    def _crop(self, index: int, random: np.random.Generator, side: int) -> Sample:
        """A crop of one image, `side` pixels wide."""
        labelled, config = self.images[index], self.augmentation
        image = self.image(index)
        colours = None
        if config is None:
            crop = whole_image(labelled.width, labelled.height)
        else:
            crop = draw_crop(random, labelled.width, labelled.height, labelled.joints, config)
            colours = draw_colours(random, config)
        picture = cv2.warpAffine(image, crop.to_map(side), (side, side), flags=cv2.INTER_LINEAR)
        if colours is not None:
            picture = cv2.transform(picture, colours)
        mask = labelled.mask()
        if mask is None:
            mask = np.full((labelled.height, labelled.width), 255, np.uint8)
        outside = 255 if config is not None and config.supervise_padding else 0
        masks = []
        for level in range(self.outputs):
            resolution = side // STRIDE_PX * 2**level
            size = (resolution, resolution)
            warped = cv2.warpAffine(mask, crop.to_map(resolution), size, borderValue=outside)
            masks.append(warped > 127)
        joints = labelled.joints.copy()
        affine = crop.to_unit()
        joints[..., :2] = joints[..., :2] @ affine[:, :2].T + affine[:, 2]
        mirrored = crop.mirrored
        if mirrored:
            joints = joints[:, self._flip]
            if config is not None and config.mirror == "exact":
                joints[..., 0] = (side - 1) / side - joints[..., 0]
                mirrored = False
        return Sample(np.asarray(picture, np.uint8), joints, mirrored, masks)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image `index`, (H, W, 3) uint8 BGR; not to be written to.

        Raises:
            DataError: As for a crop.
        """
        if self._decoded is not None:
            return self._decoded[index]
        return self._sets[self._set_of[index]].read(self.images[index])


def _mosaic(quarters: Sequence[Sample]) -> Sample:
    """Four crops as the quarters of one; joints outside their own quarter are unlabelled."""
    joints = []
    for number, quarter in enumerate(quarters):
        row, column = divmod(number, 2)
        placed = quarter.joints_unit.copy()
        inside = ((placed[..., :2] >= 0) & (placed[..., :2] < 1)).all(axis=-1)
        placed[~inside, 2] = 0
        placed[..., :2] = (placed[..., :2] + (column, row)) / 2
        joints.append(placed[(placed[..., 2] > 0).any(axis=1)])
    masks = [_joined(level) for level in zip(*(each.masks for each in quarters), strict=True)]
    image = _joined([each.image for each in quarters])
    return Sample(image, np.concatenate(joints), False, masks)


def _joined(quarters: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Four squares as one, in reading order."""
    top, bottom = np.concatenate(quarters[:2], axis=1), np.concatenate(quarters[2:], axis=1)
    return np.concatenate((top, bottom), axis=0)


def collate(samples: Sequence[Sample]) -> Batch:
    """The samples as one batch; people are padded with zeros to the largest number in it."""
    people = max(1, max(len(sample.joints_unit) for sample in samples))
    joint_count = samples[0].joints_unit.shape[1]
    joints = np.zeros((len(samples), people, joint_count, 3))
    for row, sample in zip(joints, samples, strict=True):
        row[: len(sample.joints_unit)] = sample.joints_unit
    masks = [
        torch.from_numpy(np.stack(level))
        for level in zip(*(sample.masks for sample in samples), strict=True)
    ]
    mirrored = torch.tensor([sample.mirrored for sample in samples])
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    return Batch(images, Labels(torch.from_numpy(joints), mirrored, masks))


class Normalise:
    """(N, S, S, 3) uint8 BGR to the (N, 3, S, S) float32 RGB that a network expects by its `mean`
    and `std`.
    """

    def __init__(self, network: nn.Module, device: torch.device, channels_last: bool) -> None:
        mean, std = (
            torch.tensor(getattr(network, name), device=device).reshape(3, 1, 1)
            for name in ("mean", "std")
        )
        self._factor, self._offset = 1 / (255 * std), -mean / std
        self._format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """Normalised images."""
        rgb = images.flip(3).permute(0, 3, 1, 2).float()
        return (rgb * self._factor + self._offset).contiguous(memory_format=self._format)


def _open_set(source: DataSource, keypoint_set: KeypointSet, limit: int | None) -> KeypointDataset:
    """The images with annotations of one source, by id, or `limit` of them, evenly spread."""
    labels = read_labels(source.annotations, keypoint_set, with_regions=source.mask_unlabelled)
    images = sorted((image for image in labels.images if len(image)), key=lambda image: image.id)
    if not images:
        raise DataError(
            f"{str(source.annotations)!r} has no annotation of a person; nothing can be learnt "
            "from it"
        )
    if limit is not None and limit < len(images):
        chosen = np.linspace(0, len(images) - 1, limit).round().astype(int).tolist()
        images = [images[index] for index in chosen]
    return with_images(replace(labels, images=tuple(images)), ImageStore(source.images))
