"""The people that grouping found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from basics.packages import import_package

if TYPE_CHECKING:
    import supervision as sv


class Alignment(Protocol):
    """Where map pixels lie in the image; `engine.Alignment` is one."""

    def to_image(self, keypoints: NDArray[np.float32], /) -> NDArray[np.float32]:
        """(P, J, 3) x, y, score with x, y moved from pixels of the map to pixels of the image."""


@dataclass(frozen=True, slots=True)
class People:
    """P people with J joints each; `len(people)` is P.

    Attributes:
        keypoints: (P, J, 3) float32 x, y, score, in pixels of the map, or of the image after
            `to_image`; a missing joint has score 0, and its x and y mean nothing.
        scores: (P,) float32, mean joint score over all J joints, taken before missing joints are
            filled.
        tags: (P, L) float32, mean tag of each person's detected joints.
        ids: (P,) int64, who each person is from frame to frame; -1 for people who are not known
            (yet), None where nobody is tracked.
    """

    keypoints: NDArray[np.float32]
    scores: NDArray[np.float32]
    tags: NDArray[np.float32]
    ids: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """(P, 4) float32 x, y, width, height around the joints with a score above 0."""
        x, y, score = np.moveaxis(self.keypoints, 2, 0)
        seen = score > 0
        left = np.min(np.where(seen, x, np.inf), axis=1, initial=np.inf)
        top = np.min(np.where(seen, y, np.inf), axis=1, initial=np.inf)
        right = np.max(np.where(seen, x, -np.inf), axis=1, initial=-np.inf)
        bottom = np.max(np.where(seen, y, -np.inf), axis=1, initial=-np.inf)
        boxes = np.stack((left, top, right - left, bottom - top), axis=1)
        return np.where(seen.any(axis=1)[:, None], boxes, 0).astype(np.float32)

    def to_image(self, alignment: Alignment) -> People:
        """The same people in pixels of the image.

        Args:
            alignment: Of the maps that these people were found in, `maps.alignment`.
        """
        return replace(self, keypoints=alignment.to_image(self.keypoints))

    def to_supervision(self) -> sv.KeyPoints:
        """The people as the package `supervision` has them, for its annotators and trackers.

        Returns:
            `xy` (P, J, 2) and `keypoint_confidence` (P, J) float32; `detection_confidence` (P,),
            the person's score; `visible` (P, J), false for joints that were not found, whose x and
            y are 0; the identity in `data["tracker_id"]` (P,) where somebody is tracked.

        Raises:
            RuntimeUnavailableError: The package is not installed.
        """
        supervision = import_package("supervision", "supervision", "People.to_supervision")
        score = self.keypoints[:, :, 2]
        seen = score > 0
        key_points: sv.KeyPoints = supervision.KeyPoints(
            xy=np.where(seen[:, :, None], self.keypoints[:, :, :2], 0),
            keypoint_confidence=score.copy(),
            detection_confidence=self.scores.copy(),
            visible=seen,
            class_id=np.zeros(len(self), int),
            data={} if self.ids is None else {"tracker_id": self.ids.copy()},
        )
        return key_points

    def only(self, kept: NDArray[np.bool_]) -> People:
        """The people for whom `kept` (P,) is true."""
        ids = None if self.ids is None else self.ids[kept]
        return People(self.keypoints[kept], self.scores[kept], self.tags[kept], ids)
