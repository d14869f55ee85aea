"""`--config FILE`: sources with names, outputs and options of their own, and options of the run.

    sources:
      front:
        address: rtsp://user:${FRONT_PASSWORD}@camera/1
        outputs: [mqtt://broker/cameras/front]
        options: {max_fps: 5}
      yard: rtsp://camera/2
    outputs: ["{source}.jsonl"]
    options:
      model: lite

Options are called as their flags, with `_` for `-`. What a source has of its own wins over the
command line, and that over `options`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.errors import ConfigError, PoseStreamError, redact_url
from configs.loading import from_mapping
from configs.located import LocatedYaml, Place, load_located
from stream.named_source import NamedSource
from stream.pipeline.config import PipelineConfig
from stream.render.config import RenderConfig
from stream.sinks import VideoConfig, make_sinks, plan_outputs
from stream.sources import SourceConfig, make_source

Values = dict[str, dict[str, Any]]
"""Parsed values of options by the name of their group and their own."""

# Groups of options that a source may have of its own, by their name in a run.
PER_SOURCE: dict[str, type[Any]] = {
    "source": SourceConfig,
    "pipeline": PipelineConfig,
    "render": RenderConfig,
    "video": VideoConfig,
}
_OF_THE_RUN = ("batch_window_ms",)  # all sources wait for each other


@dataclasses.dataclass(frozen=True)
class ConfigFile:
    """What a file asks for.

    Attributes:
        located: The file itself.
        outputs: Of sources that have none of their own.
        options: What of the options of the run is not left at its default.
        own: For each source, likewise.
    """

    located: LocatedYaml
    outputs: list[str]
    options: Values
    own: dict[str, Values]

    def sources(self, options: Mapping[str, Any]) -> list[NamedSource]:
        """The sources in the order of the file, with their outputs checked.

        Args:
            options: The configurations of the run, by the name of their group.

        Raises:
            ConfigError: A name, an address or an output cannot be; the message begins with file,
                line and key.
        """
        found = [self._source(key, options) for key in self.located.content["sources"]]
        shared = [source.name for source in found if source.outputs is None]
        for index, output in enumerate(self.outputs):
            with _Located(self.located, "outputs", index):
                for outputs in plan_outputs(shared, [output]):
                    make_sinks(outputs, *_sink_configs(options))
        return found

    def _source(self, key: Any, options: Mapping[str, Any]) -> NamedSource:
        given = self.located.content["sources"][key]
        place: Place = ("sources", key)
        with _Located(self.located, *place):
            own = {
                group: dataclasses.replace(options[group], **values)
                for group, values in self.own[str(key)].items()
            }
            source = NamedSource(name=str(key), address=_address(given), **own)
        if not isinstance(given, Mapping):
            given = {"address": given}
        else:
            place = (*place, "address")
        with _Located(self.located, *place):
            make_source(str(source.address), source.source or options["source"])
        if "outputs" not in given:
            return source
        outputs = _texts(self.located, ("sources", key, "outputs"), given["outputs"])
        for index, output in enumerate(outputs):
            with _Located(self.located, "sources", key, "outputs", index):
                (planned,) = plan_outputs([source.name], [output])
                make_sinks(planned, *_sink_configs({**options, **own}))
        return dataclasses.replace(source, outputs=outputs)


class _Located:
    """Puts file, line and key before the message of an error in the block."""

    def __init__(self, located: LocatedYaml, *place: str | int) -> None:
        self._begin = located.where(*place)

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PoseStreamError):
            raise ConfigError(f"{self._begin}: {redact_url(str(error))}") from error


def load_config_file(path: Path, groups: Mapping[str, type[Any]]) -> ConfigFile:
    """What the file asks for, its keys and the values of its options checked.

    Args:
        path: The file.
        groups: Dataclasses whose flags may stand under `options`, by the name of their group.

    Raises:
        ConfigError: It cannot be; the message begins with file, line and key.
    """
    if not path.exists():
        raise ConfigError(
            f"cannot read {str(path)!r}: no such file; --print-config writes one that asks for "
            "what the rest of a command line does"
        )
    located = load_located(path)
    content = located.content
    located.check_keys((), content, ("sources", "outputs", "options"))
    sources = content.get("sources")
    if not sources or not isinstance(sources, Mapping):
        raise ConfigError(f"{located.where('sources')} must name sources, such as front: demo")
    own: dict[str, Values] = {}
    for key, given in sources.items():
        place = ("sources", key)
        with _Located(located, *place):
            _address(given)
        options = None
        if isinstance(given, Mapping):
            located.check_keys(place, given, ("address", "outputs", "options"))
            options = given.get("options")
        own[str(key)] = _options(located, (*place, "options"), options, PER_SOURCE, _OF_THE_RUN)
    return ConfigFile(
        located,
        _texts(located, ("outputs",), content.get("outputs")),
        _options(located, ("options",), content.get("options"), groups),
        own,
    )


def flag_fields(cls: type[Any], left_out: Sequence[str] = ()) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass that are flags."""
    fields = dataclasses.fields(cls)
    return [each for each in fields if "help" in each.metadata and each.name not in left_out]


def _options(
    located: LocatedYaml,
    place: Place,
    given: Any,
    groups: Mapping[str, type[Any]],
    left_out: Sequence[str] = (),
) -> Values:
    if given is None:
        return {}
    group_of = {
        field.name: name for name, cls in groups.items() for field in flag_fields(cls, left_out)
    }
    located.check_keys(place, given, group_of)
    found: Values = {}
    for key, value in given.items():
        found.setdefault(group_of[key], {})[key] = value
    for group, values in found.items():
        made = from_mapping(
            groups[group],
            values,
            located.where(*place),
            named=lambda name: located.where(*place, name),
        )
        found[group] = {name: getattr(made, name) for name in values}
    return found


def _address(given: Any) -> str:
    address = given.get("address") if isinstance(given, Mapping) else given
    if isinstance(address, bool) or not isinstance(address, (str, int)) or address == "":
        raise ConfigError("needs the address of a source: a file, a camera number or a URL")
    return str(address)


def _texts(located: LocatedYaml, place: Place, given: Any) -> list[str]:
    listed = [] if given is None else given if isinstance(given, list) else [given]
    for index, item in enumerate(listed):
        if not isinstance(item, str) or not item:
            raise ConfigError(f"{located.where(*place, index)} must be text, not {item!r}")
    return list(listed)


def _sink_configs(options: Mapping[str, Any]) -> list[Any]:
    return [options[name] for name in ("video", "browser", "mqtt", "output")]
