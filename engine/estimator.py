"""Images to maps, with several on their way at a time: what a pipeline talks to."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import KeypointSet, load_keypoint_set
from engine.geometry import Alignment, InputSize, align, check_input_size, parse_input_size
from engine.maps import Candidates, PoseMaps
from engine.model_source import find_model
from engine.runtimes import Runtime, Slot, open_runtime
from engine.scales import check_scales
from engine.views import View, combine_views

_IN_FLIGHT = 2  # one image is worked on while the next is laid into its buffer; more would only add latency


@dataclass(frozen=True, slots=True)
class Ticket:
    """An image that was submitted: its alignment at scale 1, and what was submitted for it, one a scale and mirror image."""

    alignment: Alignment
    views: tuple[View, ...]
    pending: tuple[Any, ...]


class Estimator:
    """The maps of images, from one model on one runtime; `open_estimator` makes it. A context manager, used by one thread.

    model: name. runtime, precision: what was taken. keypoint_set: of the model.
    min_person_score: people below it are mostly ghosts (`ModelConfig`). in_flight: tickets that are worth having open.
    Every size of input has its own slots; they are made when first needed and used again once their maps were released.
    """

    in_flight = _IN_FLIGHT

    def __init__(
        self, model: str, runtime: Runtime, input_size: InputSize, flip: bool = False, scales: Sequence[float] = (1.0,)
    ) -> None:
        self.model = model
        self.runtime = runtime.name
        self.precision = runtime.precision
        self.keypoint_set: KeypointSet = load_keypoint_set(runtime.metadata.model.keypoint_set)
        self.min_person_score = runtime.metadata.model.min_person_score
        self.input_size = input_size
        self._runtime = runtime
        self._mirrors = (False, True) if flip else (False,)
        self._scales = tuple(sorted(scales, reverse=True))
        self._free: defaultdict[tuple[int, int], deque[Slot]] = defaultdict(deque)
        self._closed = False

    def submit(self, image_bgr: NDArray[np.uint8]) -> Ticket:
        """Lays the image (H, W, 3) uint8 BGR into the network's input and starts work; the image may be reused at once."""
        image_size = image_bgr.shape[:2]
        smallest = min(self._scales)
        views: list[View] = []
        pending: list[Any] = []
        for scale in self._scales:
            alignment = align(image_size, self.input_size, scale=scale, min_scale=smallest)
            first: Slot | None = None
            for mirrored in self._mirrors:
                slot = self._take_slot(alignment.input_size)
                if first is None:
                    alignment.warp(image_bgr, out=slot.images[0])
                    first = slot
                else:
                    cv2.flip(first.images[0], 1, dst=slot.images[0])
                views.append(View(slot, mirrored, keep_tags=scale == 1.0 or len(self._scales) == 1))
            pending += [self._runtime.submit(view.slot) for view in views[len(pending) :]]
        return Ticket(align(image_size, self.input_size, min_scale=smallest), tuple(views), tuple(pending))

    def result(self, ticket: Ticket) -> PoseMaps:
        """Waits for the maps of a ticket; tickets are taken in the order in which they were given.

        Without flip test and scales nothing is computed or copied here: the arrays are the slot's, until `release`. Raises
        ExecutionError if the runtime failed.
        """
        for pending in ticket.pending:
            self._runtime.result(pending)
        stride = self._runtime.metadata.map_stride
        rows, columns = (side // stride for side in ticket.alignment.input_size)
        alignment = ticket.alignment.with_map_size((rows, columns))
        if len(ticket.views) == 1 and ticket.views[0].slot.heatmaps.shape[2:] == (rows, columns):
            slot = ticket.views[0].slot
            candidates = Candidates(slot.x[0], slot.y[0], slot.score[0], slot.tag[0])
            return PoseMaps(
                slot.heatmaps[0], slot.tags[0].transpose(0, 2, 3, 1), alignment, candidates, lambda: self._give_back(slot)
            )
        heatmaps, tags = combine_views(ticket.views, (rows, columns), self.keypoint_set.flip_indices)
        for view in ticket.views:
            self._give_back(view.slot)
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
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take_slot(self, size: tuple[int, int]) -> Slot:
        try:
            return self._free[size].pop()
        except IndexError:
            return self._runtime.make_slot(*size)

    def _give_back(self, slot: Slot) -> None:
        # Called by whichever thread used the maps; a deque's append and pop are atomic.
        if not self._closed:
            height, width = slot.images.shape[1:3]
            self._free[height, width].append(slot)


def open_estimator(
    model: str | Path,
    *,
    runtime: str = "auto",
    precision: str = "auto",
    input_size: InputSize | str | None = None,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    weights: str | Path | None = None,
) -> Estimator:
    """An estimator for a model, ready to be given images.

    model: a preset's name, an exported ONNX file, or a checkpoint. weights: a checkpoint for the preset. runtime: `auto` takes
    the first that works, and the log says which; see `engine.runtimes`. precision: `auto` is single on CPUs; a lower one is
    taken only when asked for. input_size: short side, (height, width), or either as text; by default the model's own. flip,
    scales: as in `infer_maps`; each costs another run of the network, and maps are combined on the CPU, without candidates.

    Raises ConfigError, ModelError, CheckpointError and RuntimeUnavailableError, each with one line that says what to do.
    """
    size = parse_input_size(input_size) if isinstance(input_size, str) else input_size
    if size is not None:
        check_input_size(size)
    check_scales(scales)
    source = find_model(model, weights)
    metadata = source.metadata
    if metadata.static_size is not None:
        size = size or metadata.static_size
    opened = open_runtime(source.path, metadata, runtime, precision)
    return Estimator(source.name, opened, size or metadata.input_size, flip, scales)
