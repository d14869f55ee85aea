"""YAML that people write by hand, with the line of every key for messages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from configs.errors import ConfigError, one_line
from configs.loading import kind_of, nearest, read_settings

Place = tuple[str | int, ...]
"""Keys and numbers of items that lead to a value, from the top of the file."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


class _Loader(yaml.SafeLoader):
    """Words of YAML 1.2: `off` and `no` are words, `12:30` is text, dates are text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )
_Loader.yaml_implicit_resolvers[""] = _Loader.yaml_implicit_resolvers.get("\0", [])


@dataclass(frozen=True)
class LocatedYaml:
    """What a file holds, and where.

    Attributes:
        path: The file.
        content: Its keys and values; `${NAME}` is replaced by the environment variable NAME.
    """

    path: Path
    content: Mapping[str, Any]
    _lines: Mapping[Place, int]

    def where(self, *place: str | int) -> str:
        """How a message begins that is about this place: file, line and key."""
        known = next(
            (place[:end] for end in range(len(place), 0, -1) if place[:end] in self._lines), ()
        )
        line = self._lines.get(known, 1)
        return f"{self.path}:{line}: {_dotted(place)}" if place else f"{self.path}:{line}"

    def check_keys(self, place: Place, values: Any, known: Any, what: str = "") -> None:
        """Refuses whatever is not a mapping of known keys.

        Args:
            place: Where the values are.
            values: What is there.
            known: The keys that there may be.
            what: What else is said of a key that is unknown.

        Raises:
            ConfigError: Another key, for which the nearest known one is named, or no mapping.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"{self.where(*place)} must hold keys and values, not {values!r}")
        for key in values:
            if key not in known:
                raise ConfigError(
                    f"{self.where(*place, key)}: unknown key{what}{nearest(str(key), known)}"
                )


def load_located(path: Path) -> LocatedYaml:
    """What the YAML file holds.

    Raises:
        ConfigError: It cannot be read, is not YAML, holds something other than a mapping, has a key
            twice, or names an environment variable that is not set.
    """
    try:
        loader = _Loader(read_settings(path))
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {one_line(error)}") from error
    try:
        node = loader.get_single_node()
        lines = dict(_lines(path, loader, node, ())) if node is not None else {}
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {one_line(error)}") from error
    except RecursionError:
        raise ConfigError(f"{str(path)!r} refers to itself, or is nested too deeply") from None
    finally:
        loader.dispose()
    if not isinstance(content, dict):
        raise ConfigError(f"{str(path)!r} must hold keys and values, not {kind_of(content)}")
    raw = LocatedYaml(path, content, lines)
    return LocatedYaml(path, _with_variables(raw, content, ()), lines)


def _lines(
    path: Path, loader: yaml.SafeLoader, node: yaml.Node, place: Place
) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _lines(path, loader, item, (*place, index))
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[Any, int] = {}
    for key_node, value in node.value:
        if key_node.tag.endswith(":merge"):
            continue
        line = key_node.start_mark.line + 1
        key = loader.construct_object(key_node)
        if not isinstance(key, (str, int)):
            continue
        if key in seen:
            raise ConfigError(
                f"{path}:{line}: {_dotted((*place, key))} is there already, in line {seen[key]}"
            )
        seen[key] = line
        yield (*place, key), line
        yield from _lines(path, loader, value, (*place, key))


def _with_variables(located: LocatedYaml, value: Any, place: Place) -> Any:
    if isinstance(value, dict):
        return {key: _with_variables(located, item, (*place, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_variables(located, item, (*place, index)) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(
                f"{located.where(*place)}: the environment variable {match[1]} is not set"
            )
        return os.environ[match[1]]

    return _VARIABLE.sub(found, value)


def _dotted(place: Place) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".")
