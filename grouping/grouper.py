"""Maps to people, stage by stage."""

from __future__ import annotations

import logging
import time
from dataclasses import fields
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from configs.errors import ConfigError
from configs.grouping import GroupingConfig
from configs.keypoint_set import KeypointSet, load_keypoint_set
from grouping.adjustment import adjust_joints, maximise_joints
from grouping.assignment import Assignment
from grouping.candidates import (
    CandidateBuffer,
    Candidates,
    gather_tags,
    keep_usable,
    take_candidates,
)
from grouping.maps import check_maps, flatten_tags, read_only_heatmaps
from grouping.matching import Groups, collect_people, match_by_tag
from grouping.peaks import find_peaks
from grouping.people import People
from grouping.refinement import Search, fill_missing_joints
from grouping.suppression import find_duplicates
from grouping.tiles import measure_tiles, tile_counts

logger = logging.getLogger(__name__)

# Options that the official parser does not have; each changes results.
_TUNED_ONLY = (
    *("refine_floor", "min_person_score", "duplicate_distance_px", "reweight_by_distance"),
    "adjustment",
)


class _Buffers(NamedTuple):
    """Everything that a frame of one size needs besides its maps."""

    candidates: CandidateBuffer
    groups: Groups
    assignment: Assignment
    search: Search
    tile_maxima: NDArray[np.float32]
    column_maxima: NDArray[np.float32]

    @classmethod
    def allocate(
        cls, joints: int, max_people: int, height: int, width: int, tag_length: int
    ) -> _Buffers:
        """Room for maps of that size and for every candidate to be a person of its own."""
        return cls(
            candidates=CandidateBuffer.allocate(joints, max_people, tag_length),
            groups=Groups.allocate(joints, max_people, tag_length),
            assignment=Assignment.allocate(max_people),
            search=Search.allocate(joints * max_people, width, tag_length),
            tile_maxima=np.zeros((joints, *tile_counts(height, width)), np.float32),
            column_maxima=np.zeros(width, np.float32),
        )


class PreparedMaps(NamedTuple):
    """One frame's maps as the kernels take them, and the buffers to work in; used until the next
    frame is prepared.

    Attributes:
        heatmaps: (J, h, w) float32.
        tags: Tags as one flat array.
        tag_strides: Steps in it from one joint, row, column and dimension to the next.
        buffers: What the stages fill, `buffers.candidates` and `buffers.groups` among them.
    """

    heatmaps: NDArray[np.float32]
    tags: NDArray[np.float32]
    tag_strides: tuple[int, int, int, int]
    buffers: _Buffers


class GroupedModel(Protocol):
    """What grouping asks of a model: an open estimator tells it, and so does a model's config.

    A model may also have `adjustment`, as `GroupingConfig` has it; without, joints are moved by the
    reference's quarter pixel.

    Attributes:
        keypoint_set: Whose joints its maps have.
        min_person_score: People below it are mostly ghosts.
    """

    @property
    def keypoint_set(self) -> str | KeypointSet: ...
    @property
    def min_person_score(self) -> float: ...


class Grouper:
    """Groups the peaks of heatmaps into people by their tags.

    A callable that one thread owns and that runs without the GIL.

        grouper = Grouper.for_model(estimator)
        people = grouper(maps.heatmaps, maps.tags, maps.candidates)

    `for_model` groups as runs do: where joints lie around their peaks, and who is a ghost, differs
    from model to model. `Grouper("coco")` is the official parser, for figures beside the paper's.

    A call goes through the stages `prepare`, `find_candidates`, `match`, `adjust` and `refine`,
    which may be called one by one, in this order, to look at what is between them.

    Attributes:
        keypoint_set: Whose joints the maps have.
        mode: "reference" or "tuned".
        config: Thresholds and options.
    """

    def __init__(
        self,
        keypoint_set: str | KeypointSet = "coco",
        mode: Literal["reference", "tuned"] = "reference",
        config: GroupingConfig | None = None,
    ) -> None:
        """Compiles or loads the kernels (`warm_up`).

        Args:
            keypoint_set: Name, YAML path or KeypointSet; its number of joints and visiting order
                are used.
            mode: "reference" gives what the official parser gives with munkres 1.1.4, people in the
                same order, ties included. "tuned" also allows the options of GroupingConfig that
                change results.
            config: Thresholds and options; the defaults are those of the official evaluation in
                both modes.

        Raises:
            ConfigError: An unknown keypoint set or mode, or options that `mode` does not allow.
        """
        self.keypoint_set = (
            load_keypoint_set(keypoint_set) if isinstance(keypoint_set, str) else keypoint_set
        )
        self.mode = mode
        self.config = GroupingConfig() if config is None else config
        _check_options(mode, self.config)
        self._visiting_order = np.array(self.keypoint_set.visiting_order, np.int64)
        self._threshold = _smallest_above(self.config.detection_threshold)
        self._buffers: _Buffers | None = None
        self._size: tuple[int, ...] | None = None
        self.warm_up()

    @classmethod
    def for_model(cls, model: GroupedModel, *, min_person_score: float | None = None) -> Grouper:
        """What suits the maps of a model: its joints, its `adjustment`, and nobody who is mostly a
        ghost; as `run`, `iterate` and `annotate` group.

        Args:
            model: An open estimator, or the config of a model.
            min_person_score: People below this mean joint score are left out; None is what the
                model says.

        Raises:
            ConfigError: An unknown keypoint set.
        """
        least = model.min_person_score if min_person_score is None else min_person_score
        config = GroupingConfig(
            min_person_score=least, adjustment=getattr(model, "adjustment", "quarter")
        )
        return cls(model.keypoint_set, mode="tuned", config=config)

    def warm_up(self) -> None:
        """Compiles the kernels (some seconds, once per installation) or loads them from Numba's
        cache, so that no frame waits.

        Done when the Grouper is made. Another one in the same process finds everything ready.
        """
        began_s = time.perf_counter()
        joints = len(self.keypoint_set)
        heatmaps = np.zeros((joints, 16, 16), np.float32)
        heatmaps[0, 8, 8] = 1
        tags = np.zeros((joints, 16, 16, 1), np.float32)
        self(heatmaps, tags)
        self(heatmaps, tags, CandidateBuffer.allocate(joints, 1, 1))
        passed_s = time.perf_counter() - began_s
        if passed_s > 2:
            logger.info("grouping kernels compiled in %.1f s; later starts load them", passed_s)

    def __call__(
        self,
        heatmaps: NDArray[np.float32],
        tags: NDArray[np.float32],
        candidates: Candidates | None = None,
    ) -> People:
        """The people in one frame, in pixels of the map (pixel centres at +0.5).

        Args:
            heatmaps: (J, h, w) float32. What is not finite in maps (or beyond 1e18) is used for
                nobody.
            tags: (J, h, w, L) float32, any L, any layout; a transposed view is not copied.
            candidates: Peaks that the graph already picked, after 5x5 NMS; where there are none
                they are found here.

        Returns:
            Nobody is a normal answer.

        Raises:
            DataError: An array has the wrong shape, dtype or number of joints.
        """
        frame = self.prepare(heatmaps, tags)
        if candidates is None:
            self.find_candidates(frame)
        else:
            take_candidates(
                candidates, self._threshold, frame.heatmaps.shape[1:], frame.buffers.candidates
            )
        people = self.match(frame)
        if self.config.adjust:
            self.adjust(frame, people)
        if self.config.refine:
            self.refine(frame, people, tiles_measured=candidates is None)
        if self.config.duplicate_distance_px > 0:
            people = self._without_duplicates(people)
        return people

    def prepare(self, heatmaps: NDArray[np.float32], tags: NDArray[np.float32]) -> PreparedMaps:
        """The first stage: maps in the form that the kernels take, with the buffers for their size.

        Args:
            heatmaps: As in a call.
            tags: As in a call.

        Raises:
            DataError: As a call does.
        """
        check_maps(heatmaps, tags, len(self.keypoint_set), self.keypoint_set.name)
        size = (*heatmaps.shape[1:], tags.shape[3])
        if self._buffers is None or self._size != size:
            self._buffers = _Buffers.allocate(len(self.keypoint_set), self.config.max_people, *size)
            self._size = size
        return PreparedMaps(read_only_heatmaps(heatmaps), *flatten_tags(tags), self._buffers)

    def find_candidates(self, frame: PreparedMaps) -> None:
        """The second stage: NMS, top-K and tags at the peaks, into `frame.buffers.candidates`."""
        buffers, found = frame.buffers, frame.buffers.candidates
        find_peaks(
            frame.heatmaps, self._threshold, self.config.nms_kernel_px // 2, buffers.column_maxima,
            buffers.tile_maxima, found.x, found.y, found.score, found.counts,
        )  # fmt: skip
        gather_tags(frame.tags, frame.tag_strides, found)
        keep_usable(found, self._threshold, *frame.heatmaps.shape[1:])

    def match(self, frame: PreparedMaps) -> People:
        """The third stage: people at whole pixels, before adjustment and refinement."""
        candidates, groups, config = frame.buffers.candidates, frame.buffers.groups, self.config
        count = match_by_tag(
            candidates, self._visiting_order, config.tag_threshold, config.reweight_by_distance,
            groups, frame.buffers.assignment,
        )  # fmt: skip
        people = People(
            keypoints=np.empty((count, len(self.keypoint_set), 3), np.float32),
            scores=np.empty(count, np.float32),
            tags=np.empty((count, candidates.tag.shape[2]), np.float32),
        )
        collect_people(candidates, groups, people.keypoints, people.scores, people.tags)
        return (
            people.only(people.scores >= config.min_person_score)
            if config.min_person_score > 0
            else people
        )

    def adjust(self, frame: PreparedMaps, people: People) -> None:
        """The fourth stage: moves found joints to where their peak is, in place."""
        move = maximise_joints if self.config.adjustment == "newton" else adjust_joints
        move(frame.heatmaps, people.keypoints)

    def refine(self, frame: PreparedMaps, people: People, *, tiles_measured: bool) -> None:
        """The last stage: fills missing joints, in place.

        Args:
            frame: The maps.
            people: From `match`.
            tiles_measured: Whether `find_candidates` looked through the maps; candidates that a
                graph picked leave that to be done.
        """
        buffers = frame.buffers
        if not tiles_measured:
            missed = (people.keypoints[:, :, 2] == 0).any(axis=0)
            measure_tiles(frame.heatmaps, missed, buffers.column_maxima, buffers.tile_maxima)
        fill_missing_joints(
            frame.heatmaps, frame.tags, frame.tag_strides, buffers.tile_maxima, buffers.candidates,
            people.tags, self.config.refine_floor, buffers.search, people.keypoints,
        )  # fmt: skip

    def _without_duplicates(self, people: People) -> People:
        """`people` without those who were found twice."""
        kept = np.empty(len(people), np.bool_)
        find_duplicates(people.keypoints, people.scores, self.config.duplicate_distance_px, kept)
        return people.only(kept)


def _smallest_above(threshold: float) -> np.float32:
    """The smallest float32 above `threshold`, so that `score >= it` in float32 means `score >
    threshold` in float64.
    """
    value = np.float32(threshold)
    return value if float(value) > threshold else np.nextafter(value, np.float32(np.inf))


def _check_options(mode: str, config: GroupingConfig) -> None:
    """Raises ConfigError for an unknown mode, and for options that the official parser lacks in
    mode "reference".
    """
    if mode not in ("reference", "tuned"):
        raise ConfigError(f"mode must be 'reference' or 'tuned', not {mode!r}")
    defaults = {field.name: field.default for field in fields(GroupingConfig)}
    changed = [name for name in _TUNED_ONLY if getattr(config, name) != defaults[name]]
    if mode == "reference" and changed:
        raise ConfigError(
            f"{', '.join(changed)}: not in the reference decoder, so mode 'reference' cannot "
            "honour it; use mode 'tuned'"
        )
