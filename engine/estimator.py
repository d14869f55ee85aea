"""Images to maps, with several on their way at a time: what a pipeline talks to."""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.hardware import usable_cores
from configs import AlignmentRule, ConfigError, KeypointSet, ModelConfig, load_keypoint_set
from configs.loading import from_mapping
from engine.config import EstimatorConfig
from engine.geometry import InputSize, align, format_input_size
from engine.maps import PoseMaps
from engine.model_source import find_model
from engine.multi_view import View, combine_views
from engine.runtimes import Runtime, Workload, open_runtime
from engine.slots import Batch, Plan, Preparation, SlotPool, Ticket, lay_image, split

logger = logging.getLogger(__name__)

# Laying 1080p into 512x960 takes 5 ms of one core, a GPU 1 to 3 ms for the network.
_ALIGN_THREADS = 4
_KEPT_PLANS = 256
_FIELDS = tuple(each.name for each in dataclasses.fields(EstimatorConfig))


class Estimator:
    """The maps of images, from one model on one runtime; `open_estimator` makes it.

    A context manager, used by one thread; `release` of maps and the steps of `Preparation.lay` may
    be called by any. Every size of input has its own slots; they are made when first needed, used
    again once their maps were released, and freed when many other sizes came since.

    Attributes:
        model: Name of the model.
        runtime: Name of the runtime that was taken.
        precision: That was taken.
        device: What computes: `cpu`, or number and name of the GPU.
        keypoint_set: Of the model.
        min_person_score: People below it are mostly ghosts (`ModelConfig`).
        input_size: Short side, or (height, width).
        alignment: How images are laid into it.
        adjustment: How joints are moved from whole map pixels (`GroupingConfig`).
        in_flight: Images, or batches, that are worth having open.
        batch_size: Images that are worth giving to `submit_batch` at once, and at most travel
            together; 1 where the runtime gains nothing from more or takes no more.
        align_threads: Threads that are worth laying images into the input in, beside the one that
            submits; 0 where the network takes far longer than that.
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
        self.adjustment = runtime.metadata.model.adjustment
        self.input_size = input_size
        self.batch_size = (
            runtime.usual_batch if batch_size is None else min(batch_size, runtime.max_batch)
        )
        self._runtime = runtime
        self._flip = flip
        self._scales = tuple(sorted(scales, reverse=True))
        self.alignment = runtime.metadata.model.alignment
        self._workload = Workload(input_size=input_size, scales=self._scales, rule=self.alignment)
        self.align_threads = 0 if runtime.gpu is None else _align_threads()
        self._slots = SlotPool(runtime, 4 * len(self._scales))
        self._plans: dict[tuple[int, int], Plan] = {}
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
        preparation = self.prepare_batch(images_bgr)
        for lay in preparation.lay:
            lay()
        return self.submit_prepared(preparation)

    def prepare_batch(self, images_bgr: Sequence[NDArray[np.uint8]]) -> Preparation:
        """As `submit_batch`, for callers that lay the images into the input in other threads.

        Args:
            images_bgr: Each (H, W, 3) uint8 BGR; not to be changed until it was laid.

        Returns:
            What is to be called for each image before the batch goes to `submit_prepared`.
        """
        plans = [self._plan(image.shape[:2]) for image in images_bgr]
        groups: defaultdict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
        for index, plan in enumerate(plans):
            groups[plan.input_sizes].append(index)
        tickets: dict[int, Ticket] = {}
        lay: dict[int, Callable[[], None]] = {}
        batches = []
        for members in groups.values():
            for chosen in split(members, self.batch_size):
                batch = self._make_batch(len(chosen), plans[chosen[0]].input_sizes)
                batches.append(batch)
                for place, index in enumerate(chosen):
                    lay[index] = partial(
                        lay_image, images_bgr[index], plans[index].alignments, batch.views, place
                    )
                    tickets[index] = Ticket(plans[index].maps, batch, place)
        order = range(len(images_bgr))
        return Preparation(
            [lay[each] for each in order], batches, [tickets[each] for each in order]
        )

    def submit_prepared(self, preparation: Preparation) -> list[Ticket]:
        """Starts work on images that were laid into their slots; as `submit_batch` otherwise."""
        for batch in preparation.batches:
            batch.pending += [self._runtime.submit(view.slot) for view in batch.views]
        return preparation.tickets

    def cancel(self, preparation: Preparation) -> None:
        """Gives the slots back of images that are not going to be submitted, and that no thread
        lays any more.
        """
        for batch in preparation.batches:
            batch.unreleased = 1
            self._release(batch)

    def warm_up(
        self, image_sizes: Sequence[tuple[int, int]], batches: Sequence[int] = (1,)
    ) -> None:
        """Computes images of these sizes, so that nothing is compiled, recorded or allocated any
        more when the first ones come.

        Args:
            image_sizes: (height, width) of the images.
            batches: How many images come at once; more than `batch_size` is as many.

        Raises:
            ConfigError, ExecutionError: As for `submit`.
        """
        for size in dict.fromkeys(image_sizes):
            blank = np.zeros((*size, 3), np.uint8)
            for count in sorted({min(count, self.batch_size) for count in batches}):
                tickets = [
                    ticket
                    for _ in range(self.in_flight)
                    for ticket in self.submit_batch([blank] * count)
                ]
                for maps in [self.result(ticket) for ticket in tickets]:
                    maps.release()

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
        alignment = ticket.alignment
        rows, columns = alignment.map_size
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
            self._slots.clear()

    def __enter__(self) -> Estimator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _plan(self, image_size: tuple[int, int]) -> Plan:
        """How images of a size are laid; the same for all frames of a source."""
        found = self._plans.get(image_size)
        if found is None:
            alignments = self._workload.alignments(image_size)
            base = align(
                image_size, self.input_size, min_scale=min(self._scales), rule=self.alignment
            )
            stride = self._runtime.metadata.map_stride
            rows, columns = (side // stride for side in base.input_size)
            found = Plan(
                alignments,
                tuple(alignment.input_size for alignment in alignments),
                base.with_map_size((rows, columns)),
            )
            if len(self._plans) >= _KEPT_PLANS:  # a folder of photographs, each of its own size
                self._plans.clear()
            self._plans[image_size] = found
        return found

    def _make_batch(self, images: int, input_sizes: Sequence[tuple[int, int]]) -> Batch:
        """Slots for images whose inputs have the same size, at every scale and mirrored where that
        is wanted.
        """
        views = []
        for scale, input_size in zip(self._scales, input_sizes, strict=True):
            keep_tags = scale == 1.0 or len(self._scales) == 1
            for mirrored in (False, True) if self._flip else (False,):
                slot = self._slots.take((images, *input_size))
                views.append(View(slot, mirrored, keep_tags))
        return Batch(views, images)

    def _release(self, batch: Batch) -> None:
        """Gives the slots back with the last image of the batch."""
        # Called by whichever threads used the maps.
        with batch.lock:
            batch.unreleased -= 1
            last = batch.unreleased == 0
        if last and not self._closed:
            for view in batch.views:
                self._slots.give_back(view.slot)


def _align_threads() -> int:
    """One core is left to each of decoding, submitting and grouping, where there are as many."""
    return min(_ALIGN_THREADS, max(1, usable_cores() - 3))


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
    _check_sides(metadata.model, input_size, config.scales)
    _tell_rounding(input_size, config.scales, metadata.model.alignment)
    workload = Workload(
        input_size=input_size,
        scales=config.scales,
        streams=config.streams or 1,
        rule=metadata.model.alignment,
    )
    runtime = open_runtime(
        source.path, metadata, config.runtime, config.precision, workload, config.device.single
    )
    return Estimator(source.name, runtime, input_size, config.flip, config.scales, batch_size)


def _check_sides(model: ModelConfig, input_size: InputSize, scales: Sequence[float]) -> None:
    """Refuses sizes at which a network that looks twice cannot halve the image."""
    image_size = (480, 640) if isinstance(input_size, int) else input_size
    for scale in scales if model.looks > 1 else ():
        sides = align(image_size, input_size, scale=scale, min_scale=min(scales)).input_size
        if any(side % model.size_multiple_px for side in sides):
            raise ConfigError(
                f"{model.name} looks at images at half size, too, and takes sides that are "
                f"multiples of {model.size_multiple_px}, not {format_input_size(sides)} (input "
                f"size {format_input_size(input_size)}, scale {scale:g}); give a short side, such "
                "as 448, for any image"
            )


def _tell_rounding(input_size: InputSize, scales: Sequence[float], rule: AlignmentRule) -> None:
    """Says where the official rule rounds up an input size that the network would take as it is."""
    asked = input_size if isinstance(input_size, tuple) else (input_size, input_size)
    used = align(asked, input_size, min_scale=min(scales), rule=rule).input_size
    if used == asked:
        return
    shown_scales = " ".join(f"{scale:g}" for scale in scales)
    at = "" if shown_scales == "1" else f" with the scales {shown_scales}"
    shown = used if isinstance(input_size, tuple) else used[0]
    logger.warning(
        "an input size of %s is computed as %s%s: the official rule rounds a short side up to a "
        "multiple of 64, with scales at the smallest of them",
        format_input_size(input_size),
        format_input_size(shown),
        at,
    )
