"""How far a runtime's maps are from torch's in single precision, on given images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.geometry import Alignment, InputSize, align
from engine.runtimes import Runtime, Slot
from engine.verify.people import GroupPeople, PeopleComparison, PeopleParity

DETECTION_THRESHOLD = 0.1  # of the official configuration: peaks below it never become joints
_SAME_PEAK_PX = 3.0  # map pixels; peaks of one heatmap are at least this far apart (5x5 NMS)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Differences between two runtimes' maps over all images.

    Attributes:
        images: How many there were.
        heatmap_max: Largest difference of heatmap values (0..1).
        heatmap_mean: Mean difference of heatmap values.
        tag_max: Largest difference of tags at the reference's peaks (grouping's threshold is 1).
        tag_mean: Mean difference of tags there.
        peaks: Of the reference, above the detection threshold.
        peaks_lost: Of those, without a counterpart within 3 map pixels.
        peaks_gained: Of the other runtime, without a counterpart in the reference.
        peak_drift_px: Mean distance of those that have one, in map pixels.
        people: After grouping; None where that was not given.
    """

    images: int
    heatmap_max: float
    heatmap_mean: float
    tag_max: float
    tag_mean: float
    peaks: int
    peaks_lost: int
    peaks_gained: int
    peak_drift_px: float
    people: PeopleParity | None = None

    def to_dict(self) -> dict[str, float]:
        """Flat, in the order of the fields; without people where they were not compared."""
        values = dataclasses.asdict(self)
        people = values.pop("people") or {}
        return values | {
            name if name == "people" else f"people_{name}": value for name, value in people.items()
        }


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What an engine may differ by, for its precision.

    Attributes:
        heatmap_max: Largest difference of heatmap values.
        tag_max: Largest difference of tags at peaks.
        peaks_changed: Peaks lost and gained, as a share of all.
        people_changed: People lost and gained, as a share of all.
        people_drift_px: Median drift of keypoints in image pixels.
    """

    heatmap_max: float
    tag_max: float
    peaks_changed: float
    people_changed: float
    people_drift_px: float

    def exceeded_by(self, parity: Parity) -> str:
        """What is out of tolerance, in words; empty if nothing is."""
        changed = (parity.peaks_lost + parity.peaks_gained) / max(parity.peaks, 1)
        checks = [
            ("heatmaps differ by", parity.heatmap_max, self.heatmap_max),
            ("tags differ by", parity.tag_max, self.tag_max),
            ("share of peaks lost or gained:", changed, self.peaks_changed),
        ]
        people = parity.people
        if people is not None:
            # One person more or less is no finding among few: whoever lies at the threshold falls
            # to either side.
            others = max(people.lost + people.gained - 1, 0) / max(people.people, 1)
            checks.append(("share of people lost or gained:", others, self.people_changed))
            checks.append(
                (
                    "median drift of keypoints in pixels:",
                    people.drift_median_px,
                    self.people_drift_px,
                )
            )
        # `not <=` rather than `>`: a value that is not a number is out of tolerance.
        wrong = [(what, value, allowed) for what, value, allowed in checks if not value <= allowed]
        return ", ".join(
            f"{what} {value:.3g} (allowed: {allowed:g})" for what, value, allowed in wrong
        )


TOLERANCES = {
    "fp32": Tolerance(
        heatmap_max=1e-3,
        tag_max=5e-3,
        peaks_changed=0.005,
        people_changed=0.01,
        people_drift_px=0.05,
    ),
    "fp16": Tolerance(
        heatmap_max=0.03, tag_max=0.05, peaks_changed=0.02, people_changed=0.05, people_drift_px=0.5
    ),
    "bf16": Tolerance(
        heatmap_max=0.25, tag_max=1.0, peaks_changed=0.2, people_changed=0.3, people_drift_px=1.5
    ),
    "int8": Tolerance(
        heatmap_max=0.4, tag_max=3.0, peaks_changed=0.3, people_changed=0.3, people_drift_px=1.5
    ),
}
"""By precision; docs/engines.md has the measurements behind each, and says which were measured at
all.
"""


def measure_parity(
    runtime: Runtime,
    reference: Runtime,
    images: Iterable[NDArray[np.uint8]],
    input_size: InputSize,
    group: GroupPeople | None = None,
) -> Parity:
    """Runs every image through both runtimes, and compares their maps.

    Args:
        runtime: What is compared.
        reference: What it is compared with; holds the same model.
        images: (H, W, 3) uint8 BGR, at least one; photographs with people say more than noise.
        input_size: Short side, or (height, width).
        group: Maps to people, who are compared, too.

    Raises:
        ExecutionError: One of the runtimes failed.
    """
    heatmaps, tags, drifts, comparison = [], [np.empty(0)], [np.empty(0)], PeopleComparison()
    peaks = lost = gained = 0
    for alignment, found, expected in _pairs(runtime, reference, images, input_size):
        if group is not None:
            comparison.add(*(group(slot.maps(0, alignment)) for slot in (found, expected)))
        heatmaps.append(_largest_and_mean(found.heatmaps, expected.heatmaps))
        for joint in range(expected.x.shape[1]):
            ours, theirs = _peaks(found, joint), _peaks(expected, joint)
            peaks += len(theirs)
            tags.append(_tag_errors(found, expected, joint))
            distances = np.linalg.norm(theirs[:, None] - ours[None], axis=2)
            nearest = distances.min(axis=1, initial=np.inf)
            drifts.append(nearest[nearest < _SAME_PEAK_PX])
            lost += int((nearest >= _SAME_PEAK_PX).sum())
            gained += int((distances.min(axis=0, initial=np.inf) >= _SAME_PEAK_PX).sum())
    drift, tag_errors = np.concatenate(drifts), np.concatenate(tags)
    return Parity(
        images=len(heatmaps),
        heatmap_max=float(np.max(heatmaps, axis=0)[0]),
        heatmap_mean=float(np.mean(heatmaps, axis=0)[1]),
        tag_max=float(tag_errors.max(initial=0)),
        tag_mean=float(tag_errors.mean()) if len(tag_errors) else 0.0,
        peaks=peaks,
        peaks_lost=lost,
        peaks_gained=gained,
        peak_drift_px=float(drift.mean()) if len(drift) else 0.0,
        people=comparison.summary() if group is not None else None,
    )


def _pairs(
    runtime: Runtime, reference: Runtime, images: Iterable[NDArray[np.uint8]], input_size: InputSize
) -> Iterator[tuple[Alignment, Slot, Slot]]:
    """For every image its alignment, and both runtimes' slots with its maps, until the next one."""
    kept: dict[tuple[int, int], tuple[Slot, Slot]] = {}  # a slot may hold a lot of a GPU's memory
    for image in images:
        alignment = align(image.shape[:2], input_size, rule=runtime.metadata.model.alignment)
        size = alignment.input_size
        if size not in kept:
            kept[size] = runtime.make_slot(*size), reference.make_slot(*size)
        for each, slot in zip((runtime, reference), kept[size], strict=True):
            alignment.warp(image, out=slot.images[0])
            each.result(each.submit(slot))
        ours, theirs = kept[size]
        rows, columns = theirs.heatmaps.shape[2:]
        yield alignment.with_map_size((rows, columns)), ours, theirs


def _peaks(slot: Slot, joint: int) -> NDArray[np.float64]:
    """(P, 2) x and y of the joint's peaks above the threshold."""
    seen = slot.score[0, joint] > DETECTION_THRESHOLD
    return np.stack((slot.x[0, joint][seen], slot.y[0, joint][seen]), axis=1).astype(np.float64)


def _tag_errors(found: Slot, expected: Slot, joint: int) -> NDArray[np.float64]:
    """(P,) largest differences of the tags at the reference's peaks above the threshold.

    There tags are read. Elsewhere a pixel may change from one person's tag to another's with the
    last digit: where tags are regressed, each is the tag of whoever's joint is expected nearest.
    """
    columns, rows = _peaks(expected, joint).astype(int).T
    ours, theirs = (slot.tags[0, joint][:, rows, columns] for slot in (found, expected))
    errors: NDArray[np.float64] = np.abs(ours - theirs).max(axis=0, initial=0).astype(np.float64)
    return errors


def _largest_and_mean(
    found: NDArray[np.float32], expected: NDArray[np.float32]
) -> tuple[float, float]:
    difference = np.abs(found - expected)
    return float(difference.max()), float(difference.mean())
