"""Labelled images as network inputs and labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from configs import DataError, KeypointSet
from configs.training import AugmentationConfig, DataSource
from training.annotations import LabelledImage, read_annotations
from training.augmentation import draw_colours, draw_crop, whole_image
from training.images import ImageStore, decode_image
from training.losses import STRIDE_PX, Labels

logger = logging.getLogger(__name__)


class SampleKey(NamedTuple):
    """Which image, as which sample of the training (decides what is drawn at random), at which crop
    side.
    """

    image: int
    number: int
    size_px: int


class Sample(NamedTuple):
    """One crop: image (S, S, 3) uint8 BGR, joints_unit (P, J, 3) float64 (see `Labels`), masks (R,
    R) bool.
    """

    image: NDArray[np.uint8]
    joints_unit: NDArray[np.float64]
    mirrored: bool
    masks: list[NDArray[np.bool_]]


@dataclass(frozen=True)
class Batch:
    """images: (N, S, S, 3) uint8 BGR."""

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

        outputs: number of output resolutions (deconvolutions + 1). augmentation: None shows every
        image whole. limit: use only so many images, evenly spread. Raises DataError for whatever
        cannot be used.
        """
        self.keypoint_set = keypoint_set
        self.outputs = outputs
        self.augmentation = augmentation
        self.seed = seed
        self.images: list[LabelledImage] = []
        self.set_sizes: list[int] = []
        self._stores: list[ImageStore] = []
        self._store_of: list[int] = []
        self._flip = list(keypoint_set.flip_indices)
        for number, source in enumerate(sources):
            images = read_annotations(
                source.annotations, keypoint_set, mask_unlabelled=source.mask_unlabelled
            )
            if limit is not None and limit < len(images):
                images = [
                    images[index]
                    for index in np.linspace(0, len(images) - 1, limit).round().astype(int)
                ]
            store = ImageStore(source.images)
            store.require(image.file_name for image in images)
            self._stores.append(store)
            self.images += images
            self.set_sizes.append(len(images))
            self._store_of += [number] * len(images)
        self._decoded: list[NDArray[np.uint8]] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def cache(self) -> None:
        """Decodes all images into memory; worker processes that are forked afterwards share it."""

        def decode(content: bytes, image: LabelledImage) -> NDArray[np.uint8]:
            return self._checked(decode_image(content, image.file_name), image)

        with ThreadPoolExecutor() as pool:
            futures = [
                pool.submit(decode, self._encoded(index), image)
                for index, image in enumerate(self.images)
            ]
            self._decoded = [future.result() for future in futures]
        size_mib = sum(image.nbytes for image in self._decoded) / 2**20
        logger.info("%d images decoded into memory, %.0f MiB", len(self._decoded), size_mib)

    def __getitem__(self, key: SampleKey) -> Sample:
        """Raises DataError if the image cannot be decoded or its size is not the annotated one."""
        labelled = self.images[key.image]
        image = self.image(key.image)
        random = np.random.default_rng((self.seed, key.number))
        colours = None
        if self.augmentation is None:
            crop = whole_image(labelled.width, labelled.height)
        else:
            crop = draw_crop(
                random, labelled.width, labelled.height, labelled.joints, self.augmentation
            )
            colours = draw_colours(random, self.augmentation)
        side = key.size_px
        picture = cv2.warpAffine(image, crop.to_map(side), (side, side), flags=cv2.INTER_LINEAR)
        if colours is not None:
            picture = cv2.transform(picture, colours)
        mask = labelled.mask()
        if mask is None:
            mask = np.full((labelled.height, labelled.width), 255, np.uint8)
        masks = []
        for level in range(self.outputs):
            resolution = side // STRIDE_PX * 2**level
            masks.append(
                cv2.warpAffine(mask, crop.to_map(resolution), (resolution, resolution)) > 127
            )
        joints = labelled.joints.copy()
        affine = crop.to_unit()
        joints[..., :2] = joints[..., :2] @ affine[:, :2].T + affine[:, 2]
        if crop.mirrored:
            joints = joints[:, self._flip]
        return Sample(np.asarray(picture, np.uint8), joints, crop.mirrored, masks)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image `index`, (H, W, 3) uint8 BGR; not to be written to. Raises DataError as
        `__getitem__` does.
        """
        if self._decoded is not None:
            return self._decoded[index]
        image = self.images[index]
        return self._checked(decode_image(self._encoded(index), image.file_name), image)

    def _encoded(self, index: int) -> bytes:
        return self._stores[self._store_of[index]].read_bytes(self.images[index].file_name)

    @staticmethod
    def _checked(decoded: NDArray[np.uint8], image: LabelledImage) -> NDArray[np.uint8]:
        if decoded.shape[:2] != (image.height, image.width):
            height, width = decoded.shape[:2]
            raise DataError(
                f"image {image.file_name!r} is {width}x{height}, but its annotations are for "
                f"{image.width}x{image.height}"
            )
        return decoded


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
