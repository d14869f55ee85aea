"""Training presets: what is trained on what, for how long, and how; every key of a preset is also a
flag of `training fit`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from configs.errors import ConfigError
from configs.flags import option
from configs.loading import from_mapping, load_yaml, nearest
from configs.model import check_input_side

_FOLDER = Path(__file__).parent / "trainings"


def _check_range(
    section: object, names: tuple[str, ...], *, least: float = 0.0, most: float = float("inf")
) -> None:
    """Raises ConfigError for the first of the settings that is set to what is out of range."""
    for name in names:
        value = getattr(section, name)
        if value is not None and not least <= value <= most:
            limits = f"at least {least:g}" if most == float("inf") else f"{least:g} to {most:g}"
            raise ConfigError(f"{name} must be {limits}, not {value}")


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """One set of labelled images.

    Attributes:
        annotations: COCO keypoint file (`person_keypoints_*.json`).
        images: Folders and zip archives that hold the images, searched in this order.
        weight: How often an epoch shows each image of the set; 0.5 shows another half of it every
            epoch.
        mask_unlabelled: Supervise nothing where people without keypoints and crowds are (COCO).
            CrowdPose is trained without.
    """

    annotations: Path
    images: tuple[Path, ...]
    weight: float = 1.0
    mask_unlabelled: bool = True

    def __post_init__(self) -> None:
        if not self.images:
            raise ConfigError(
                f"{str(self.annotations)!r} needs at least one folder or zip archive of images"
            )
        if self.weight <= 0:
            raise ConfigError(f"weight must be above 0, not {self.weight}")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How long the training lasts and how the learning rate moves.

    Of time budget, steps and epochs, the first that is set counts.
    """

    time_budget_s: float | None = option(
        None, help="end after so much wall-clock time", metavar="S"
    )
    steps: int | None = option(None, help="end after so many optimiser steps", metavar="N")
    epochs: int | None = option(None, help="end after so many epochs", metavar="N")
    learning_rate: float = option(
        1e-3, help="learning rate after warm-up, for everything but the backbone"
    )
    decay: Literal["milestones", "cosine"] = option("cosine", help="how the learning rate falls")
    milestones: tuple[float, ...] = option(
        (200 / 300, 260 / 300), help="when it falls tenfold, 0..1", metavar="F"
    )
    floor: float = option(0.01, help="last learning rate of the cosine, as a part of the first")
    warmup_steps: int = option(
        0, help="steps over which the learning rate rises linearly", metavar="N"
    )
    input_sizes_px: tuple[int, ...] = option(
        (), help="crop sides, one after another; the model's where empty", metavar="PX"
    )
    input_sizes_until: tuple[float, ...] = option(
        (), help="fraction of the training at which each ends", metavar="F"
    )

    def __post_init__(self) -> None:
        if self.time_budget_s is None and self.steps is None and self.epochs is None:
            raise ConfigError("one of time_budget_s, steps and epochs must be set")
        for name in ("time_budget_s", "steps", "epochs", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"{name} must be above 0, not {value}")
        _check_range(self, ("warmup_steps",))
        _check_range(self, ("floor",), most=1)
        for side_px in self.input_sizes_px:
            check_input_side(side_px, "input_sizes_px")
        if len(self.input_sizes_px) > 1 and len(self.input_sizes_until) != len(self.input_sizes_px):
            raise ConfigError("input_sizes_until must have one fraction for each of input_sizes_px")
        if list(self.input_sizes_until) != sorted(self.input_sizes_until):
            raise ConfigError(f"input_sizes_until must rise, not {self.input_sizes_until}")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimiser, and what of the network it moves."""

    weight_decay: float = option(
        0.0, help="decoupled weight decay on everything but biases and batch norm; 0 is plain Adam"
    )
    backbone_learning_rate_factor: float = option(
        1.0, help="learning rate of the backbone as a part of the head's"
    )
    freeze_backbone_steps: int = option(
        0, help="steps at the start during which the backbone stays as it is", metavar="N"
    )
    freeze: tuple[str, ...] = option(
        (), help="parameters that stay as they are, by the start of their names", metavar="NAME"
    )
    batch_norm_momentum: float | None = option(
        None, help="momentum of running statistics; the network's own where unset"
    )
    freeze_batch_norm: bool = option(
        False, help="use and keep the running statistics of batch norm"
    )
    sync_batch_norm: bool = option(False, help="batch statistics over all GPUs")
    gradient_clip: float = option(0.0, help="largest gradient norm; 0 does not clip")
    ema_decay: float = option(
        0.0, help="decay of the averaged weights that are validated and exported; 0 keeps none"
    )

    def __post_init__(self) -> None:
        names = "weight_decay", "backbone_learning_rate_factor", "freeze_backbone_steps"
        _check_range(self, (*names, "gradient_clip"))
        _check_range(self, ("batch_norm_momentum",), most=1)
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay must be in [0, 1), not {self.ema_decay}")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the loss terms.

    Balance heatmaps and tags by their gradients (`gradient_heatmaps`, `gradient_tags` in
    scalars.csv), not by their values.
    """

    sigma_px: float = option(
        2.0, help="spread of the target peaks in map pixels, the same at every resolution"
    )
    sigma_growth: float = option(
        0.0, help="spread of target peaks per extent of the person, instead of sigma_px; 0: off"
    )
    sigma_base_px: float = option(
        2.8, help="with sigma_growth: spread for the smallest people, in network-input pixels"
    )
    sigma_most_px: float = option(
        7.5, help="with sigma_growth: largest spread, in network-input pixels"
    )
    heatmap_factor: float = option(1.0, help="factor of the heatmap error")
    foreground_weight: float = option(
        1.0, help="weight of a pixel at a target peak relative to background; 1 is the paper"
    )
    supervise: Literal["each", "mean"] = option(
        "each",
        help="heatmaps: each resolution by itself (the paper), or at the finest the mean of all, "
        "which is what inference reads",
    )
    push_factor: float = option(1e-3, help="factor of the push between people")
    pull_factor: float = option(1e-3, help="factor of the pull to a person's mean tag")
    push: Literal["exp", "max"] = option(
        "exp", help="exp: the paper's; max: hinge with margin push_margin"
    )
    push_margin: float = option(1.0, help="tag distance above which the hinge is 0")
    position_factor: float = option(
        0.0, help="factor of the position code: tags learn the person's centre / tag_unit_px"
    )
    position_radius_px: int = option(
        1, help="map pixels around a joint where its tag learns the position code", metavar="PX"
    )
    position_from: float = option(
        1.0, help="fraction of the training at which push and pull begin to take over"
    )
    position_until: float = option(
        1.0, help="fraction of the training at which the position code is gone"
    )

    def __post_init__(self) -> None:
        factors = "heatmap_factor", "push_factor", "pull_factor", "position_factor"
        _check_range(self, (*factors, "push_margin", "position_radius_px", "sigma_growth"))
        if self.sigma_px <= 0:
            raise ConfigError(f"sigma_px must be above 0, not {self.sigma_px}")
        if self.position_until < self.position_from:
            raise ConfigError(
                f"position_until ({self.position_until}) must not be below position_from "
                f"({self.position_from})"
            )
        if self.sigma_growth and not 0 < self.sigma_base_px <= self.sigma_most_px:
            raise ConfigError(
                f"sigma_base_px ({self.sigma_base_px}) must be above 0 and not above sigma_most_px "
                f"({self.sigma_most_px})"
            )
        if self.foreground_weight < 1:
            raise ConfigError(f"foreground_weight must be at least 1, not {self.foreground_weight}")


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """What is drawn at random for every image; defaults of the geometry are the paper's
    (docs/reference.md, section 4.3).
    """

    rotation_degrees: float = option(30.0, help="largest rotation to either side")
    scale_min: float = option(
        0.75, help="smallest crop side relative to the image's short side (zooms in)"
    )
    scale_max: float = option(
        1.5, help="largest crop side relative to the image's short side (zooms out)"
    )
    translation: float = option(
        0.2, help="largest shift of the crop's centre on each axis, relative to the crop side"
    )
    flip_probability: float = option(0.5, help="how often the image is mirrored")
    brightness: float = option(0.0, help="largest relative change of brightness")
    contrast: float = option(0.0, help="largest relative change of contrast")
    saturation: float = option(0.0, help="largest relative change of saturation")
    hue_degrees: float = option(0.0, help="largest turn of the hue")
    mosaic: float = option(0.0, help="how often four crops share a picture, at half the size each")
    mirror: Literal["reference", "exact"] = option(
        "reference",
        help="where joints of a mirrored image are: x' = R - x - 1 at every resolution R, as the "
        "reference has it (up to 3 input pixels off), or exactly on their pixels",
    )
    supervise_padding: bool = option(
        False, help="learn that there is nobody outside the image; the reference masks it"
    )
    centre_on_person: float = option(
        0.0, help="how often the crop lies around a labelled person, not the image's centre"
    )

    def __post_init__(self) -> None:
        _check_range(self, ("flip_probability", "mosaic", "centre_on_person"), most=1)
        _check_range(self, ("rotation_degrees", "translation", "hue_degrees"))
        _check_range(self, ("brightness", "contrast", "saturation"), most=1)
        if self.mosaic and self.mirror == "reference":
            raise ConfigError("mosaic mirrors each quarter by itself, which needs mirror: exact")
        if not 0 < self.scale_min <= self.scale_max:
            raise ConfigError(
                f"scale_min ({self.scale_min}) must be above 0 and not above scale_max "
                f"({self.scale_max})"
            )


@dataclass(frozen=True, kw_only=True)
class ExecutionConfig:
    """How and where it runs. These keys may change when a run is resumed."""

    output: Path | None = option(
        None, help="folder of the run; runs/NAME, or the resumed checkpoint's folder, where unset"
    )
    device: str = option("auto", help="cpu, cuda, cuda:N; auto takes a GPU where there is one")
    workers: int = option(
        0, help="processes that prepare images; 0 prepares them between steps", metavar="N"
    )
    cache_images: bool = option(
        False, help="keep all decoded images in memory (0.4 MB each at 512 px)"
    )
    threads: int | None = option(
        None, help="CPU threads of the network; all cores where unset", metavar="N"
    )
    precision: Literal["fp32", "bf16"] = option("fp32", help="bf16: mixed precision by autocast")
    channels_last: bool = option(False, help="channels-last memory layout")
    compile: bool = option(False, help="compile the network with torch.compile")
    log_steps: int = option(20, help="steps between two rows of scalars.csv", metavar="N")
    checkpoint_s: float = option(300.0, help="seconds between two checkpoints", metavar="S")
    validate_s: float | None = option(
        None, help="seconds between two validations; after every epoch where unset", metavar="S"
    )
    validate_images: int = option(
        100, help="validation images used during training; 0 validates nothing", metavar="N"
    )
    validate_ap: bool = option(
        True, help="measure AP when validating, and call the checkpoint with the highest AP best"
    )
    sample_images: int = option(8, help="predictions drawn at every validation", metavar="N")

    def __post_init__(self) -> None:
        _check_range(self, ("threads", "log_steps"), least=1)
        _check_range(self, ("workers", "checkpoint_s", "validate_s"))
        _check_range(self, ("validate_images", "sample_images"))


@dataclass(frozen=True, kw_only=True)
class CorrectionConfig:
    """How the joint correction of a model is trained, which reads maps that stay as they are."""

    model: str = option("lite", help="model preset with corrected_joints, or a YAML file with one")
    initial_weights: Path | None = option(
        None, help="checkpoint with all other weights; those in the package where unset"
    )
    images: int = option(5000, help="crops whose people are looked at", metavar="N")
    input_sizes_px: tuple[int, ...] = option(
        (256, 320, 384), help="crop sides, in turns", metavar="PX"
    )
    epochs: float = option(10.0, help="how often each person is learnt from", metavar="N")
    batch_size: int = option(64, help="people per step", metavar="N")
    learning_rate: float = option(2e-3, help="highest learning rate")
    weight_decay: float = option(0.02, help="decoupled weight decay")
    seed: int = option(0, help="seed of everything random", metavar="N")
    threads: int | None = option(None, help="CPU threads; all cores where unset", metavar="N")

    def __post_init__(self) -> None:
        _check_range(self, ("images", "batch_size", "threads"), least=1)
        _check_range(self, ("seed", "weight_decay"))
        if self.epochs <= 0 or self.learning_rate <= 0:
            raise ConfigError("epochs and learning_rate must be above 0")
        if not self.input_sizes_px:
            raise ConfigError("input_sizes_px needs at least one size")
        for side_px in self.input_sizes_px:
            check_input_side(side_px, "input_sizes_px")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training run."""

    name: str
    description: str
    model: str = option("lite", help="model preset, or a YAML file with one")
    batch_size: int = option(16, help="images per step, over all processes", metavar="N")
    seed: int = option(0, help="seed of everything random", metavar="N")
    initial_weights: Path | None = option(
        None, help="checkpoint whose weights the training starts from", metavar="PATH"
    )
    initial_backbone: Path | None = option(
        None, help="weights that only the backbone starts from", metavar="PATH"
    )
    data: tuple[DataSource, ...] = ()
    validation: DataSource | None = None
    schedule: ScheduleConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)

    def __post_init__(self) -> None:
        _check_range(self, ("batch_size",), least=1)
        _check_range(self, ("seed",))


SECTIONS: dict[str, type[Any]] = {
    "schedule": ScheduleConfig,
    "optimizer": OptimizerConfig,
    "loss": LossConfig,
    "augmentation": AugmentationConfig,
    "execution": ExecutionConfig,
}


def training_names() -> tuple[str, ...]:
    """Names of the training presets."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_training_config(name: str) -> TrainingConfig:
    """The preset called `name`, or the one in the YAML file at that path; relative paths in a file
    are relative to it.

    Raises:
        ConfigError: No preset has that name (the nearest one is named), or the file holds none.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _FOLDER / f"{name}.yaml"
    if path.parent == _FOLDER and path.stem not in training_names():
        raise ConfigError(f"unknown training preset {name!r}{nearest(name, training_names())}")
    return _beside(from_mapping(TrainingConfig, load_yaml(path), str(path)), path.parent)


def overlay(config: TrainingConfig, values: dict[str, Any], where: str) -> TrainingConfig:
    """`config` with `values` laid over it: keys, and sections as dictionaries of their keys.

    Args:
        config: What is changed; it stays as it is.
        values: By name.
        where: Their origin in messages.

    Raises:
        ConfigError: Values that do not fit.
    """
    merged = training_config_to_dict(config)
    for key, value in values.items():
        merged[key] = {**merged[key], **value} if key in SECTIONS else value
    return from_mapping(TrainingConfig, merged, where)


def training_config_from_dict(values: dict[str, Any], where: str) -> TrainingConfig:
    """The configuration that `training_config_to_dict` wrote; messages name its origin `where`."""
    return from_mapping(TrainingConfig, values, where)


def training_config_to_dict(config: TrainingConfig) -> dict[str, Any]:
    """`config` as plain dictionaries, lists, numbers and text, for checkpoints and YAML."""
    return {key: _plain(value) for key, value in dataclasses.asdict(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _beside(config: TrainingConfig, folder: Path) -> TrainingConfig:
    def resolve(source: DataSource) -> DataSource:
        images = tuple(folder / image for image in source.images)
        return dataclasses.replace(source, annotations=folder / source.annotations, images=images)

    validation = resolve(config.validation) if config.validation is not None else None
    return dataclasses.replace(
        config, data=tuple(resolve(source) for source in config.data), validation=validation
    )
