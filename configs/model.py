"""Model presets: every network of the paper, and the one that ships, as configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from configs.errors import ConfigError
from configs.grouping import Adjustment
from configs.loading import from_mapping, load_yaml, nearest

_FOLDER = Path(__file__).parent / "models"

AlignmentRule = Literal["centre", "udp"]
"""How images are laid into network inputs and maps onto images: about the centre of the image, as
the official code does it, or pixel centre on pixel centre from the first one on (unbiased data
processing, Huang et al., CVPR 2020), with what follows from that for maps and joints.
"""

SIZE_MULTIPLE_PX = 32  # the coarsest feature map of every backbone is at stride 32


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """One network: backbone, head, and the input size that it is used at.

    Attributes:
        name: What it is called in tables, and how its file is named.
        description: One line about it.
        backbone: `hrnet`, or `mobilenet_v2` (a MobileNetV2 feature pyramid, for CPUs).
        width: Channels of HRNet's finest branch (W32, W40, W48).
        backbone_width: Factor of all channels of a `mobilenet_v2`.
        deconvolutions: How many modules double the resolution after stride 4; each adds one output
            (paper, section 3.3).
        concat_heatmaps: Whether a module also reads the heatmaps and tags predicted before it.
        residual_blocks: Basic blocks after each deconvolution.
        aggregate_heatmaps: Average the heatmaps of all resolutions at inference; otherwise the
            finest ones alone are used.
        tag_dimensions: Length of one joint's tag; 1 in the paper.
        tag_unit_px: Pixels of network input that make a tag distance of 1, for tags that start as
            the position of the person's centre; None for the paper's free tags.
        tags: `learned` from features, or `regressed`: made, without parameters of their own, from
            where the heads of a `mobilenet_v2` that knows people see centres and joints.
        corrected_joints: Whether joints of `regressed` tags are moved to where heatmaps around them
            say that they are.
        looks: 1, or 2: the network also looks at the image at half its size, with the same
            weights, and takes large people from there; needs `regressed` tags.
        heatmap_exponent: Merged heatmaps are raised to this power at inference, which lowers
            doubtful peaks more than sure ones; 1 is the paper.
        keypoint_set: Which joints it finds, as a preset of keypoint sets has them.
        min_person_score: People whose joints score less than this on average are more often ghosts
            than not (measured); what `run_stream.py` and `Grouper.for_model` leave out unless told
            otherwise. Evaluation leaves out nobody.
        input_size: Short side of the network input in pixels, at training and by default at
            inference.
        alignment: How the weights were trained to have images and maps aligned.
        adjustment: How joints are moved from whole map pixels (`GroupingConfig`).
        weights: File in `engine/weights` that ships with the package, if one does; where it is that
            of another preset, the network has the parameters in it.
    """

    name: str
    description: str
    backbone: Literal["hrnet", "mobilenet_v2"] = "hrnet"
    width: int = 32
    backbone_width: float = 1.0
    deconvolutions: int = 1
    concat_heatmaps: bool = True
    residual_blocks: int = 4
    aggregate_heatmaps: bool = True
    tag_dimensions: int = 1
    tag_unit_px: float | None = None
    tags: Literal["learned", "regressed"] = "learned"
    corrected_joints: bool = False
    looks: int = 1
    heatmap_exponent: float = 1.0
    keypoint_set: str = "coco"
    min_person_score: float = 0.0
    input_size: int = 512
    alignment: AlignmentRule = "centre"
    adjustment: Adjustment = "quarter"
    weights: str | None = None

    @property
    def size_multiple_px(self) -> int:
        """What the sides of an exported graph's input are multiples of."""
        return SIZE_MULTIPLE_PX * self.looks

    def __post_init__(self) -> None:
        for field, low, high in (
            ("width", 1, 256),
            ("deconvolutions", 0, 2),
            ("residual_blocks", 0, 16),
            ("looks", 1, 2),
        ):
            if not low <= getattr(self, field) <= high:
                raise ConfigError(
                    f"{field} must be between {low} and {high}, not {getattr(self, field)}"
                )
        if self.tag_unit_px is not None and (self.tag_dimensions != 2 or self.tag_unit_px <= 0):
            raise ConfigError(
                "tag_unit_px must be positive and goes with tag_dimensions: 2 (x and y of the "
                "person's centre)"
            )
        if self.tags == "regressed" and (self.backbone == "hrnet" or self.tag_unit_px is None):
            raise ConfigError("tags: regressed needs backbone: mobilenet_v2 and tag_unit_px")
        if self.tags != "regressed":
            if self.looks > 1:
                raise ConfigError("looks: 2 needs tags: regressed")
            if self.corrected_joints:
                raise ConfigError("corrected_joints needs tags: regressed")
        if not 0.1 <= self.heatmap_exponent <= 10:
            raise ConfigError(
                f"heatmap_exponent must be between 0.1 and 10, not {self.heatmap_exponent}"
            )
        if not 0 <= self.min_person_score < 1:
            raise ConfigError(f"min_person_score must be in [0, 1), not {self.min_person_score}")
        if self.tag_dimensions < 1:
            raise ConfigError(f"tag_dimensions must be at least 1, not {self.tag_dimensions}")
        check_input_side(self.input_size, "input_size")


def check_input_side(side_px: int, name: str, multiple_px: int = SIZE_MULTIPLE_PX) -> None:
    """Refuses a side of the network input that the network cannot have.

    Args:
        side_px: The side in pixels.
        name: What it is the side of; begins the message.
        multiple_px: `ModelConfig.size_multiple_px`; by default what all networks need.

    Raises:
        ConfigError: It is no positive multiple of that; the nearest ones are named.
    """
    if side_px <= 0 or side_px % multiple_px:
        below = max(side_px // multiple_px, 1) * multiple_px
        raise ConfigError(
            f"{name} must be a multiple of {multiple_px}, not {side_px}; the nearest are {below} "
            f"and {below + multiple_px}"
        )


def model_names() -> tuple[str, ...]:
    """Names of the model presets."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_model_config(name: str) -> ModelConfig:
    """The preset called `name`, or the one in the YAML file at that path.

    Raises:
        ConfigError: No preset has that name (the nearest one is named), or the file holds none.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _FOLDER / f"{name}.yaml"
    if path.parent == _FOLDER and path.stem not in model_names():
        raise ConfigError(f"unknown model {name!r}{nearest(name, model_names())}")
    return from_mapping(ModelConfig, load_yaml(path), str(path))
