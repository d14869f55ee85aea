"""From what a user calls a model (a preset, a file) to the exported graph that runtimes load."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from basics.atomic import atomic_path
from basics.cache import cache_folder, hash_file
from basics.packages import import_package
from configs import (
    ConfigError,
    ModelConfig,
    ModelError,
    load_model_config,
    model_names,
)
from configs.loading import from_mapping
from configs.zoo import Layout, load_zoo
from engine.onnx.difference import Difference
from engine.onnx.metadata import GRAPH_VERSION, ModelMetadata, read_metadata
from engine.zoo import fetch_weights, weights_path

if TYPE_CHECKING:
    from torch import Tensor, nn

PACKAGED_WEIGHTS = Path(__file__).parent / "weights"
_MAP_STRIDE = 2  # of the files in the package
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """An exported model.

    Attributes:
        name: What it is called.
        path: Its ONNX file.
        metadata: What is in that.
    """

    name: str
    path: Path
    metadata: ModelMetadata


def find_model(
    model: str | Path,
    weights: str | Path | None = None,
    map_stride: int = _MAP_STRIDE,
    *,
    offline: bool = False,
) -> ModelSource:
    """The exported model that `model` and `weights` stand for.

    A checkpoint is exported once, into the user's cache. A preset that shares the weights of
    another in the package (`base`) is made there of that one's file, which takes no torch.

    Args:
        model: A preset's name or YAML file; or an exported ONNX file; or a checkpoint, whose preset
            is told from its contents.
        weights: A checkpoint for the preset; needed where none ships with it and none is published.
        map_stride: For the export, if there is one.
        offline: Fetch nothing.

    Raises:
        ConfigError: An unknown preset, or weights for what has its own.
        ModelError: A file that is not there or not a model, a preset without weights, or a cache
            that cannot be written.
        CheckpointError: A checkpoint that cannot be read or does not fit.
        FetchError: The published weights cannot be fetched.
        RuntimeUnavailableError: Exporting needs a package that is missing.
    """
    path = Path(model)
    if path.suffix.lower() == ".onnx":
        if weights is not None:
            raise ConfigError(
                f"weights are in {str(model)!r} already: leave {str(weights)!r} out, or name a "
                "preset"
            )
        return ModelSource(name=path.stem, path=path, metadata=read_metadata(path))
    if str(model) in model_names() or path.suffix.lower() in (".yaml", ".yml"):
        config = load_model_config(str(model))
        if weights is not None:
            return _exported(config, Path(weights), map_stride)
        found = find_weights(config, offline=offline)
        if config.weights is not None:
            return _packaged(config, found, map_stride)
        return _exported(config, found, map_stride)
    if path.is_file() or path.parent != Path() or path.suffix:
        if weights is not None:
            raise ConfigError(
                f"model {str(model)!r} and weights {str(weights)!r} are both files: name the "
                "preset as the model"
            )
        if not path.is_file():
            raise ModelError(f"no such model file: {str(model)!r}")
        return _exported(checkpoint_config(path), path, map_stride)
    load_model_config(str(model))  # raises: it is not one of the names
    raise AssertionError("unreachable")


def find_weights(config: ModelConfig, *, offline: bool = False) -> Path:
    """The weights of a preset: the file in the package that has them, or the published checkpoint,
    fetched if need be.

    Args:
        config: Of the preset.
        offline: Fetch nothing.

    Raises:
        ModelError: The package lacks its file, or none is published under an address.
        FetchError: It cannot be fetched.
        RuntimeUnavailableError: There is no torch, without which it would be of no use.
    """
    if config.weights is not None:
        packaged = PACKAGED_WEIGHTS / config.weights
        if not packaged.is_file():
            raise ModelError(
                f"the weights of {config.name!r} are missing from this installation: "
                f"{str(packaged)!r}; install it again"
            )
        return packaged
    zoo = load_zoo()
    checkpoint = zoo.fetchable(config.name)
    if checkpoint is None:
        named = [each.file for each in zoo.checkpoints if each.preset == config.name]
        known = f" (published: {', '.join(named)})" if named else ""
        raise ModelError(
            f"no weights ship with {config.name!r}: give a checkpoint with --weights, official or "
            f"mmpose 0.x{known}, or take --model lite"
        )
    if not weights_path(checkpoint).is_file():
        _need_torch()  # said before the wait
    return fetch_weights(checkpoint, offline=offline)


def load_weights(config: ModelConfig, weights: Path) -> nn.Module:
    """The network of a configuration with the weights of a checkpoint, or with those that the file
    of a model in the package holds.

    Raises:
        CheckpointError: The checkpoint cannot be read or does not fit.
        ModelError: The model does not fit.
        RuntimeUnavailableError: torch or onnx is missing.
    """
    _need_torch()
    if weights.parent == PACKAGED_WEIGHTS:
        from engine.onnx.weights import load_exported_network

        return load_exported_network(weights, config)
    from engine.checkpoints.loading import load_checkpoint
    from engine.networks.network import load_network

    network = load_network(config)
    load_checkpoint(network, weights)
    return network


def checkpoint_config(path: Path) -> ModelConfig:
    """The configuration of the network in a checkpoint: its own if it is one of ours, that of the
    published file that it is, else the first preset that it fits.

    Presets that differ in input size only are told apart where the published files are: by their
    hashes, or by how the parameters are called. The log says which was taken.

    Raises:
        CheckpointError: The file cannot be read.
        ModelError: It fits no preset.
    """
    _need_torch()
    from engine.checkpoints.layouts import layout_of, to_official
    from engine.checkpoints.loading import describe_state_dict
    from engine.checkpoints.reading import TRAINING_FORMAT, read_checkpoint, read_state_dict

    content = read_checkpoint(path)
    if isinstance(content, dict) and content.get("format") == TRAINING_FORMAT:
        return from_mapping(ModelConfig, content.get("model", {}), str(path))
    published = load_zoo().with_hash(hash_file(path))
    if published is not None:
        logger.info("%s is %s of %s", path.name, published.file, published.source)
        return load_model_config(published.preset)
    found = read_state_dict(path)
    state = to_official(found)
    for name in _likely_presets(layout_of(found)):
        config = load_model_config(name)
        if _fits(state, config):
            logger.info(
                "%s looks like %s; name the preset and give the file as weights if it is another",
                path.name,
                name,
            )
            return config
    look = describe_state_dict(state)
    raise ModelError(
        f"{str(path)!r} fits no preset: it looks like {look}; write its configuration as a YAML "
        "file"
    )


def _likely_presets(layout: Layout) -> list[str]:
    """All presets: first those of which files with that layout are published, ablations last."""
    published = [each.preset for each in load_zoo().checkpoints if each.layout == layout]
    others = sorted(model_names(), key=lambda name: (name.startswith("ablation"), name))
    return [*published, *(name for name in others if name not in published)]


def find_difference(config: ModelConfig) -> Path:
    """Where the package has what a preset adds to the file of another; it need not be there."""
    return PACKAGED_WEIGHTS / f"{config.name}.difference"


def describe_recipe(config: ModelConfig, weights_sha256: str, map_stride: int = _MAP_STRIDE) -> str:
    """A hash of everything that an exported model is made from: its configuration, the file of its
    weights and the version of the graph.
    """
    recipe = json.dumps([GRAPH_VERSION, map_stride, dataclasses.asdict(config)], sort_keys=True)
    return hashlib.sha256((recipe + weights_sha256).encode()).hexdigest()


def _packaged(config: ModelConfig, path: Path, map_stride: int) -> ModelSource:
    """The file in the package; or, where it is that of another preset, what is made of it: with
    what this one adds to it, or else by an export of the parameters that are in it.
    """
    metadata = read_metadata(path)
    if metadata.model.name == config.name:
        return ModelSource(name=config.name, path=path, metadata=metadata)
    added = find_difference(config)
    if map_stride == _MAP_STRIDE and added.is_file():
        difference = Difference.read(added)
        if difference.recipe == describe_recipe(config, hash_file(path)):
            return _composed(config, path, difference)
        logger.warning(
            "%s was made for another %s, configuration or graph, and so torch exports %s; "
            "python -m engine difference %s makes it anew",
            added.name,
            path.name,
            config.name,
            config.name,
        )
    return _exported(config, path, map_stride)


def _composed(config: ModelConfig, packaged: Path, difference: Difference) -> ModelSource:
    """What a preset adds to the file of another, and that file, as one in the cache."""
    path = cache_folder() / "models" / f"{config.name}-{difference.sha256[:16]}.onnx"
    if not _holds(path, difference.sha256):
        if path.exists():
            logger.warning("the cached model is made again: %r is damaged", str(path))
        content = difference.apply(packaged.read_bytes())
        with _writing(config, path):
            try:
                with atomic_path(path) as temporary:
                    temporary.write_bytes(content)
            except OSError:
                # Windows replaces no file that somebody has open, such as one who was faster.
                if not _holds(path, difference.sha256):
                    raise
    return ModelSource(name=config.name, path=path, metadata=read_metadata(path))


def _holds(path: Path, sha256: str) -> bool:
    """Whether the file is there, can be read, and is that one."""
    try:
        return hash_file(path) == sha256
    except OSError:
        return False


@contextmanager
def _writing(config: ModelConfig, path: Path) -> Iterator[None]:
    """Gives errors of writing a model into the cache a line that says what to do."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"cannot keep the model {config.name!r} in the cache, {str(path)!r}: "
            f"{error.strerror or error}; let HIGHERHRNET_CACHE name a folder that can be written"
        ) from error


def _exported(config: ModelConfig, weights: Path, map_stride: int) -> ModelSource:
    """The checkpoint, or what another model in the package was made from, as an ONNX file in the
    cache, under a name that changes with everything that it is made from.
    """
    if not weights.is_file():
        raise ModelError(f"no such weights file: {str(weights)!r}")
    sha256 = hash_file(weights)
    _warn_of_another(config, weights, sha256)
    key = describe_recipe(config, sha256, map_stride)[:16]
    path = cache_folder() / "models" / f"{config.name}-{key}.onnx"
    if path.is_file():
        try:
            return ModelSource(name=config.name, path=path, metadata=read_metadata(path))
        except ModelError as error:
            logger.warning("the cached model is exported again: %s", error)
    _need_torch()
    from engine.onnx.export import export_onnx

    logger.info("exporting %s with the weights of %s to %s, once", config.name, weights.name, path)
    network = load_weights(config, weights)
    with _writing(config, path):
        export_onnx(network, path, map_stride=map_stride, weights=weights.name)
    return ModelSource(name=config.name, path=path, metadata=read_metadata(path))


def _warn_of_another(config: ModelConfig, weights: Path, sha256: str) -> None:
    """Says so where a published file was trained with another alignment: nothing else shows it."""
    published = load_zoo().with_hash(sha256)
    if published is None:
        return
    trained = load_model_config(published.preset)
    if trained.alignment != config.alignment:
        logger.warning(
            "%s was trained with alignment %s, and %r has %s: name %s as the model",
            weights.name,
            trained.alignment,
            config.name,
            config.alignment,
            trained.name,
        )


def _fits(state: dict[str, Tensor], config: ModelConfig) -> bool:
    import torch

    from engine.networks.higherhrnet import output_channels
    from engine.networks.network import load_network

    first = state.get("final_layers.0.weight")
    if config.backbone == "hrnet" and (
        first is None or first.shape[:2] != (output_channels(config)[0], config.width)
    ):
        return False  # told without making a network, which takes half a second
    with torch.device("meta"):
        own = load_network(config).state_dict()
    names = {name for name in own if not name.endswith("num_batches_tracked")}
    given = {name for name in state if not name.endswith("num_batches_tracked")}
    return names == given and all(own[name].shape == state[name].shape for name in names)


def _need_torch() -> None:
    import_package("torch", "higherhrnet-stream[torch]", "reading a checkpoint")
