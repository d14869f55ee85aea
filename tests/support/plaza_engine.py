"""An engine that knows the truth: it recognises images of the demo clip and draws the maps that a
perfect network would give.

It stands in for the network where the pipeline around it is tested. An image that is not, to the
last bit, an image of the clip is an error: a torn frame, a wrong colour conversion or a slot that
was overwritten too early cannot go unnoticed.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import av
import numpy as np

from basics.demo import DEMO_CLIP, DEMO_TRUTH
from configs import load_keypoint_set
from engine import PoseMaps, align

INPUT_PX = 512
STRIDE = 2
SIGMA_CELLS = 2.0
REACH_CELLS = 6
AREA_SHARE = (
    0.53  # of its box that a person covers, on average; COCO's area is that of the silhouette
)
KEYPOINT_SET = load_keypoint_set("coco")


@dataclass(frozen=True)
class TruePeople:
    """The people of one frame with at least one joint in it: keypoints (P, J, 3) x, y, visibility;
    area (P,) in pixels.
    """

    keypoints: np.ndarray
    area: np.ndarray


@cache
def truth() -> tuple[TruePeople, ...]:
    """Everybody in every frame of the demo clip."""
    frames = json.loads(gzip.decompress(DEMO_TRUTH.read_bytes()))
    result = []
    for frame in frames:
        people = [person for person in frame if any(joint[2] > 0 for joint in person["keypoints"])]
        keypoints = np.array([person["keypoints"] for person in people], np.float32).reshape(
            -1, 17, 3
        )
        area = (
            np.array([person["amodal_bbox"][2] * person["amodal_bbox"][3] for person in people])
            * AREA_SHARE
        )
        result.append(TruePeople(keypoints, area))
    return tuple(result)


@cache
def images() -> dict[int, int]:
    """Checksum of every image of the clip, decoded without this project, and its index."""
    with av.open(str(DEMO_CLIP)) as container:
        return {
            zlib.crc32(image.to_ndarray(format="bgr24")): index
            for index, image in enumerate(container.decode(video=0))
        }


class PlazaEngine:
    """An Estimator for the demo clip. `released` counts maps that were given back, `largest_queue`
    tickets open at a time.
    """

    model, runtime, precision, keypoint_set = "plaza truth", "fixture", "exact", KEYPOINT_SET
    input_size = INPUT_PX

    def __init__(self, in_flight: int = 2) -> None:
        self.in_flight = in_flight
        self.batch_size = 1
        self.min_person_score = 0.0
        self.given = self.released = self.open = self.largest_queue = 0
        images(), truth()

    def submit_batch(self, images_bgr: Sequence[np.ndarray]) -> list[int]:
        return [self.submit(image) for image in images_bgr]

    def submit(self, image_bgr: np.ndarray) -> int:
        index = images().get(zlib.crc32(np.ascontiguousarray(image_bgr)))
        assert index is not None, "this image is not one of the clip"
        self.open += 1
        self.largest_queue = max(self.largest_queue, self.open)
        return index

    def result(self, ticket: int) -> PoseMaps:
        self.open -= 1
        self.given += 1
        return draw_maps(truth()[ticket], self._release)

    def _release(self) -> None:
        self.released += 1


def draw_maps(people: TruePeople, release: object = None, *, input_px: int = INPUT_PX) -> PoseMaps:
    """Heatmaps with a Gaussian at every joint inside an image of 640x480, and tags that are 10
    apart from person to person.
    """
    alignment = align((480, 640), input_px)
    rows, columns = (side // STRIDE for side in alignment.input_size)
    alignment = alignment.with_map_size((rows, columns))
    heatmaps = np.zeros((17, rows, columns), np.float32)
    tags = np.zeros((17, rows, columns, 1), np.float32)
    for person, points in enumerate(alignment.to_map(people.keypoints)):
        for joint, (x, y, visibility) in enumerate(points):
            if visibility == 0:
                continue
            x, y = x - 0.5, y - 0.5  # grouping counts pixel centres at +0.5
            x0, x1 = max(round(x) - REACH_CELLS, 0), min(round(x) + REACH_CELLS + 1, columns)
            y0, y1 = max(round(y) - REACH_CELLS, 0), min(round(y) + REACH_CELLS + 1, rows)
            down, across = np.mgrid[y0:y1, x0:x1]
            peak = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * SIGMA_CELLS**2)).astype(
                np.float32
            )
            heat = heatmaps[joint, y0:y1, x0:x1]
            tags[joint, y0:y1, x0:x1, 0][peak > heat] = 10 * person
            np.maximum(heat, peak, out=heat)
    return PoseMaps(heatmaps, tags, alignment, None, release)  # type: ignore[arg-type]


def similarity(found: np.ndarray, people: TruePeople) -> np.ndarray:
    """(P,) for every true person the OKS of the found person (J, 3) that is nearest to them, each
    found person used once.

    OKS as COCO defines it: mean over labelled joints of exp(-d^2 / (2 area k^2)), k = 2 sigma.
    """
    variances = (2 * np.array(KEYPOINT_SET.sigmas)) ** 2
    table = np.zeros((len(people.area), len(found)))
    for row, (points, area) in enumerate(zip(people.keypoints, people.area, strict=True)):
        labelled = points[:, 2] > 0
        squared = ((found[:, labelled, :2] - points[labelled, :2]) ** 2).sum(axis=2)
        table[row] = np.exp(-squared / (2 * area * variances[labelled])).mean(axis=1)
    best = np.zeros(len(people.area))
    while table.size and table.max() > 0:
        row, column = np.unravel_index(table.argmax(), table.shape)
        best[row] = table[row, column]
        table[row], table[:, column] = 0, 0
    return best


def similarity_of_record(records: list[dict[str, object]]) -> float:
    """Mean OKS over everybody in every frame of a JSON Lines record (without its header)."""
    values = []
    for record in records:
        people = record["people"]
        assert isinstance(people, list)
        found = np.array([person["keypoints"] for person in people], np.float64).reshape(-1, 17, 3)
        values.append(similarity(found, truth()[int(str(record["frame"]))]))
    return float(np.concatenate(values).mean())
