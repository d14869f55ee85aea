"""How candidates become people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from configs.errors import ConfigError

Adjustment = Literal["quarter", "newton"]


@dataclass(frozen=True, kw_only=True)
class GroupingConfig:
    """Parameters of grouping; the defaults are those of the official evaluation.

    Attributes:
        detection_threshold: A candidate below this heatmap value is not used.
        tag_threshold: A candidate joins a person only if their tags are nearer than this.
        max_people: Candidates kept per joint, and people that a candidate is compared with.
        nms_kernel_px: Side of the square in which a peak must be the largest, in map pixels.
        adjust: Move each joint from its whole pixel to where the peak is.
        adjustment: How: `quarter` is a quarter pixel towards the higher neighbour; `newton` the
            maximum of a parabola through the logarithms around it, as alignment `udp` has it.
        refine: Fill missing joints from the heatmap and the person's mean tag.
        refine_floor: A filled joint must reach this heatmap value (reference: 0).
        min_person_score: People below this mean joint score are left out (reference: 0).
        duplicate_distance_px: Of two people whose common joints are nearer than this on average, in
            map pixels, the weaker is left out; 0 is off.
        reweight_by_distance: Multiply tag distances by relative pixel distance before matching
            (OpenVINO's Open Model Zoo).

    Raises:
        ConfigError: A number is out of range.
    """

    detection_threshold: float = 0.1
    tag_threshold: float = 1.0
    max_people: int = 30
    nms_kernel_px: int = 5
    adjust: bool = True
    adjustment: Adjustment = "quarter"
    refine: bool = True
    refine_floor: float = 0.0
    min_person_score: float = 0.0
    duplicate_distance_px: float = 0.0
    reweight_by_distance: bool = False

    def __post_init__(self) -> None:
        if self.nms_kernel_px % 2 == 0 or self.nms_kernel_px < 1:
            raise ConfigError(f"nms_kernel_px must be odd, not {self.nms_kernel_px}")
        if self.detection_threshold < 0:
            raise ConfigError(
                f"detection_threshold must not be negative, not {self.detection_threshold}"
            )
        if self.max_people < 1:
            raise ConfigError(f"max_people must be at least 1, not {self.max_people}")
