"""The command `export`: a network as an ONNX model with its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from basics.packages import import_package
from configs import ConfigError, load_model_config, model_names
from configs.commands import Say
from configs.flags import option
from engine.geometry import InputSize, format_input_size, parse_input_size


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Flags of `export`."""

    model: str = option(
        help="preset, or checkpoint of a known one", metavar="PRESET|CHECKPOINT", positional=True
    )
    output: Path = option(help="where the model goes", metavar="OUT.onnx", positional=True)
    weights: Path | None = option(
        None, help="checkpoint for the preset (default: the published one)", metavar="FILE"
    )
    input_size: InputSize | None = option(
        None,
        help="what runtimes use it at (default: the preset's)",
        metavar="N|WxH",
        parse=parse_input_size,
        show=format_input_size,
    )
    static: bool = option(False, help="for that size alone, which must be WIDTHxHEIGHT")
    map_stride: int = option(2, help="input pixels per map pixel: 1 or 2", metavar="N")
    fp16_weights: bool = option(False, help="half the file; arithmetic stays in single precision")
    ap: float | None = option(
        None, help="measured average precision, to travel with the model", metavar="PERCENT"
    )
    ap_measured_on: str = option("", help="on what it was measured", metavar="TEXT")
    provenance: str = option(
        "", help="where the weights come from (default: the checkpoint's name)", metavar="TEXT"
    )

    def __post_init__(self) -> None:
        if self.static and not isinstance(self.input_size, tuple):
            raise ConfigError("static needs --input-size WIDTHxHEIGHT")

    @property
    def is_preset(self) -> bool:
        """Whether `model` is a preset; otherwise it is a checkpoint."""
        return self.model in model_names() or self.model.endswith((".yaml", ".yml"))


def run_export(config: ExportConfig, say: Say) -> None:
    """Writes the model.

    Raises:
        ConfigError: The preset is not known, or sizes cannot be used.
        CheckpointError: The weights cannot be read or do not fit.
        ModelError: The checkpoint fits no preset, or no weights of the preset are published.
        FetchError: Published weights cannot be fetched.
        RuntimeUnavailableError: There is no torch or onnx.
    """
    import_package("torch", "higherhrnet-stream[torch]", "exporting a model")
    from engine.model_source import checkpoint_config, find_weights, load_weights
    from engine.onnx.export import export_onnx

    if config.is_preset:
        model = load_model_config(config.model)
        weights = config.weights or find_weights(model)
    else:
        weights = config.weights or Path(config.model)
        model = checkpoint_config(weights)
    size = config.input_size
    network = load_weights(model, weights)
    metadata = export_onnx(
        network,
        config.output,
        input_size=size,
        static_size=size if config.static and isinstance(size, tuple) else None,
        map_stride=config.map_stride,
        fp16_weights=config.fp16_weights,
        weights=config.provenance or weights.name,
        ap=config.ap,
        ap_measured_on=config.ap_measured_on,
    )
    say(f"{config.output}: {metadata.model.name}, {config.output.stat().st_size / 1e6:.1f} MB")
