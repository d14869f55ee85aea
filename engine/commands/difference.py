"""The command `difference`: what a preset adds to the file of another, for the package.

Whoever changes `lite.onnx`, the configuration of `base` or the exported graph runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from basics.cache import hash_file
from basics.packages import import_package
from configs import ConfigError, load_model_config
from configs.commands import Say
from configs.flags import option
from engine.model_source import describe_recipe, find_difference, find_weights, load_weights
from engine.onnx.difference import Difference
from engine.onnx.metadata import read_metadata


@dataclass(frozen=True, kw_only=True)
class DifferenceConfig:
    """Flags of `difference`."""

    model: str = option(
        help="preset that shares the weights of another", metavar="PRESET", positional=True
    )


def run_difference(config: DifferenceConfig, say: Say) -> None:
    """Exports the preset, and writes what that has and the packaged file has not.

    Raises:
        ConfigError: The preset is not known, or shares no other's weights.
        ModelError: The packaged file cannot be read.
        RuntimeUnavailableError: There is no torch or onnx.
        OSError: The difference cannot be written.
    """
    import_package("torch", "higherhrnet-stream[torch]", "exporting a model")
    from engine.onnx.export import export_onnx

    model = load_model_config(config.model)
    packaged = find_weights(model) if model.weights is not None else None
    if packaged is None or read_metadata(packaged).model.name == model.name:
        raise ConfigError(
            f"{model.name!r} shares no other's weights: name a preset that does, such as base"
        )
    path = find_difference(model)
    with TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        # Parameters lie in half precision in the package; as floats they would be found nowhere.
        export_onnx(
            load_weights(model, packaged), exported, fp16_weights=True, weights=packaged.name
        )
        recipe = describe_recipe(model, hash_file(packaged))
        difference = Difference.between(packaged.read_bytes(), exported.read_bytes(), recipe)
    difference.write(path)
    say(f"{path}: {path.stat().st_size / 1e3:.0f} kB to be added to {packaged.name}")
