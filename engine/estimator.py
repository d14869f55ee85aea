"""Images to maps, with several on their way at a time: what a pipeline talks to."""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import ConfigError, KeypointSet, load_keypoint_set
from configs.loading import from_mapping
from engine.config import EstimatorConfig
from engine.geometry import Alignment, InputSize, align
from engine.maps import PoseMaps
from engine.model_source import find_model
from engine.multi_view import View, combine_views
from engine.runtimes import Runtime, Slot, Workload, open_runtime

_FIELDS = tuple(each.name for each in dataclasses.fields(EstimatorConfig))


@dataclass(slots=True)
class _Batch:
    """Images that were submitted together: what was submitted, one per scale and mirror image, and
    how many are not released.
    """

    views: list[View]
    pending: list[Any]
    unreleased: int
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An image that was submitted: its alignment at scale 1, and its place in which batch."""

    alignment: Alignment
    batch: _Batch
    index: int


class Estimator:
    """The maps of images, from one model on one runtime; `open_estimator` makes it.

    A context manager, used by one thread; `release` of maps may be called by any. Every size of
    input has its own slots; they are made when first needed and used again once their maps were
    released.

    Attributes:
        model: Name of the model.
        runtime: Name of the runtime that was taken.
        precision: That was taken.
        device: What computes: `cpu`, or number and name of the GPU.
        keypoint_set: Of the model.
        min_person_score: People below it are mostly ghosts (`ModelConfig`).
        input_size: Short side, or (height, width).
        alignment: How images are laid into it, which says how joints are adjusted.
        in_flight: Images, or batches, that are worth having open.
        batch_size: Images that are worth giving to `submit_batch` at once, and at most travel
            together; 1 where the runtime gains nothing from more or takes no more.
    """

    # One in each stream while the next is laid into its buffer; more would only add latency.
    in_flight = 2

    def __init__(
        self,
        model: str,
        runtime: Runtime,
        input_size: InputSize,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.in_flight = runtime.streams + 1
        self.runtime = runtime.name
        self.precision = runtime.precision
        self.device = "cpu" if runtime.gpu is None else str(runtime.gpu)
        self.keypoint_set: KeypointSet = load_keypoint_set(runtime.metadata.model.keypoint_set)
        self.min_person_score = runtime.metadata.model.min_person_score
        self.input_size = input_size
        self.batch_size = (
            runtime.usual_batch if batch_size is None else min(batch_size, runtime.max_batch)
        )
        self._runtime = runtime
        self._flip = flip
        self._scales = tuple(sorted(scales, reverse=True))
        self.alignment = runtime.metadata.model.alignment
        self._workload = Workload(input_size=input_size, scales=self._scales, rule=self.alignment)
        self._free: defaultdict[tuple[int, ...], deque[Slot]] = defaultdict(deque)
        self._closed = False

    def submit(self, image_bgr: NDArray[np.uint8]) -> Ticket:
        """Lays an image into the network's input and starts work.

        Args:
            image_bgr: (H, W, 3) uint8 BGR; it may be reused at once.

        Returns:
            The ticket to take the maps with.

        Raises:
            ConfigError: The model does not take the image's size of input.
            ExecutionError: The runtime failed.
        """
        return self.submit_batch([image_bgr])[0]

    def submit_batch(self, images_bgr: Sequence[NDArray[np.uint8]]) -> list[Ticket]:
        """As `submit`, for several images, of several cameras for instance.

        Those that have the same size of input travel together, at most `batch_size`, the others
        beside them.

        Args:
            images_bgr: Each (H, W, 3) uint8 BGR.

        Returns:
            A ticket for each, to be taken in that order.
        """
        alignments = [self._workload.alignments(image.shape[:2]) for image in images_bgr]
        groups: defaultdict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
        for index, scales in enumerate(alignments):
            groups[tuple(alignment.input_size for alignment in scales)].append(index)
        tickets: dict[int, Ticket] = {}
        for members in groups.values():
            for chosen in _split(members, self.batch_size):
                batch = self._start(
                    [images_bgr[index] for index in chosen], [alignments[index] for index in chosen]
                )
                for place, index in enumerate(chosen):
                    base = align(
                        images_bgr[index].shape[:2],
                        self.input_size,
                        min_scale=min(self._scales),
                        rule=self.alignment,
                    )
                    tickets[index] = Ticket(base, batch, place)
        return [tickets[index] for index in range(len(images_bgr))]

    def result(self, ticket: Ticket) -> PoseMaps:
        """Waits for the maps of a ticket; tickets are taken in the order in which they were given.

        Without flip test and scales nothing is computed or copied here: the arrays are the slot's,
        until `release`. Images of a batch are released one by one.

        Raises:
            ExecutionError: The runtime failed.
        """
        batch, index = ticket.batch, ticket.index
        for pending in batch.pending:
            self._runtime.result(pending)
        stride = self._runtime.metadata.map_stride
        rows, columns = (side // stride for side in ticket.alignment.input_size)
        alignment = ticket.alignment.with_map_size((rows, columns))
        slot = batch.views[0].slot
        if len(batch.views) == 1 and slot.heatmaps.shape[2:] == (rows, columns):
            return slot.maps(index, alignment, lambda: self._release(batch))
        heatmaps, tags = combine_views(
            batch.views,
            index,
            (rows, columns),
            self.keypoint_set.flip_indices,
            align_corners=self.alignment == "udp",
        )
        self._release(batch)
        return PoseMaps(heatmaps, tags, alignment)

    def close(self) -> None:
        """Waits for what is under way and frees the runtime; may be called more than once."""
        if not self._closed:
            self._closed = True
            self._runtime.close()
            self._free.clear()

    def __enter__(self) -> Estimator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(
        self, images: Sequence[NDArray[np.uint8]], alignments: Sequence[Sequence[Alignment]]
    ) -> _Batch:
        """Submits images whose inputs have the same size, at every scale and mirrored where that is
        wanted.
        """
        batch = _Batch([], [], len(images))
        for level, scale in enumerate(self._scales):
            keep_tags = scale == 1.0 or len(self._scales) == 1
            upright = self._take_slot((len(images), *alignments[0][level].input_size))
            for place, image in enumerate(images):
                alignments[place][level].warp(image, out=upright.images[place])
            batch.views.append(View(upright, False, keep_tags))
            if self._flip:
                mirrored = self._take_slot(upright.images.shape[:3])
                for place in range(len(images)):
                    cv2.flip(upright.images[place], 1, dst=mirrored.images[place])
                batch.views.append(View(mirrored, True, keep_tags))
            batch.pending += [
                self._runtime.submit(view.slot) for view in batch.views[len(batch.pending) :]
            ]
        return batch

    def _take_slot(self, shape: tuple[int, ...]) -> Slot:
        """A slot for N images of a height and width that nobody holds."""
        try:
            return self._free[shape].pop()
        except IndexError:
            images, height, width = shape
            return self._runtime.make_slot(height, width, images)

    def _release(self, batch: _Batch) -> None:
        """Gives the slots back with the last image of the batch."""
        # Called by whichever threads used the maps; a deque's append and pop are atomic.
        with batch.lock:
            batch.unreleased -= 1
            last = batch.unreleased == 0
        if last and not self._closed:
            for view in batch.views:
                self._free[view.slot.images.shape[:3]].append(view.slot)


def _split(members: Sequence[int], limit: int) -> Iterator[Sequence[int]]:
    """Parts of 1, 2, 4, ... members, at most `limit`: runtimes compile or record for every number
    of images they meet.
    """
    start = 0
    while start < len(members):
        count = 1 << (min(limit, len(members) - start).bit_length() - 1)
        yield members[start : start + count]
        start += count


def open_estimator(
    config: EstimatorConfig | str | Path = "lite", *, batch_size: int | None = None, **fields: Any
) -> Estimator:
    """An estimator that is ready to be given images.

    Args:
        config: What to open; or the model alone, for `EstimatorConfig.model`.
        batch_size: Images that travel together at most; by default what the runtime is fastest
            with, which is 1 on CPUs.
        **fields: Of `EstimatorConfig`, by name: `runtime="openvino"`, `input_size="448x320"`. They
            take the place of those of `config`.

    Returns:
        The estimator, which is to be closed; a context manager.

    Raises:
        ConfigError: A field that is not known, cannot be used, or does not go with the others;
            several devices, which take an estimator each.
        ModelError: The model file is not there, damaged, or not one of ours.
        CheckpointError: The weights do not fit the network.
        RuntimeUnavailableError: A package or device that the runtime needs is missing.
        ExecutionError: The runtime cannot prepare the model.
    """
    if isinstance(config, EstimatorConfig):
        fields = {name: getattr(config, name) for name in _FIELDS} | fields
    else:
        fields = {"model": str(config)} | fields
    config = from_mapping(EstimatorConfig, fields, "open_estimator")
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, not {batch_size}")
    source = find_model(config.model, config.weights, offline=config.offline)
    metadata = source.metadata
    input_size = config.input_size or metadata.static_size or metadata.input_size
    workload = Workload(input_size=input_size, scales=config.scales, streams=config.streams or 1)
    runtime = open_runtime(
        source.path, metadata, config.runtime, config.precision, workload, config.device.single
    )
    return Estimator(source.name, runtime, input_size, config.flip, config.scales, batch_size)
