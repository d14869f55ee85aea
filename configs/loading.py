"""YAML files into frozen dataclasses, with one clear line for every mistake."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from configs.errors import ConfigError, one_line

T = TypeVar("T")


_LARGEST_BYTES = 1 << 20


def read_settings(path: Path) -> str:
    """The text of a file that people write.

    Raises:
        ConfigError: It is larger than any such file, or a device that never ends.
        OSError: It cannot be read.
        UnicodeDecodeError: It is no text.
    """
    with path.open("rb") as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ConfigError(f"{str(path)!r} has more than 1 MiB: it is no file of settings")
    return content.decode("utf-8")


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping that the YAML file holds.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or holds something other than a mapping.
    """
    try:
        content = yaml.safe_load(read_settings(path))
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{str(path)!r} must hold keys and values, not {kind_of(content)}")
    return content


def from_mapping(
    cls: type[T],
    values: Mapping[str, Any],
    where: str,
    *,
    named: Callable[[str], str] | None = None,
) -> T:
    """An instance of the dataclass `cls` with `values` for its fields.

    Text is parsed where the field has a parser (`configs.flags.option`), lists become tuples where
    the field is a tuple, whole numbers become floats where the field is a float; nested dataclasses
    are built from nested mappings.

    Args:
        cls: The dataclass.
        values: What its fields are to be; those that are not named keep their defaults.
        where: Where the values come from, such as a file; stands in messages.
        named: What messages call a field, also where they are about another one; by default
            `where: field`.

    Raises:
        ConfigError: An unknown key (the nearest known one is named), a missing key, a wrong type,
            a number that is not finite, or a value that the dataclass itself refuses.
    """
    others = named or str
    named = named or (lambda key: f"{where}: {key}")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}{nearest(str(key), fields)}")
    arguments = {
        key: _field_value(value, fields[key], hints[key], named(key))
        for key, value in values.items()
    }
    missing = [
        name
        for name, field in fields.items()
        if name not in arguments
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: missing key {missing[0]!r}")
    try:
        return cls(**arguments)
    except ConfigError as error:
        first, space, rest = str(error).partition(" ")
        # A class that refuses a value begins with the name of the field.
        begin = named(first) if first in fields else f"{where}: {first}" if where else first
        raise ConfigError(f"{begin}{space}{_renamed(rest, fields, others)}") from error


def _renamed(text: str, fields: Iterable[str], named: Callable[[str], str]) -> str:
    """With fields called what they are called here; those of one word alone may be meant as such,
    and what is part of a path or of a value stays.
    """
    names = "|".join(re.escape(name) for name in fields if "_" in name)
    if not names:
        return text
    return re.sub(rf"(?<![\w./'\"-])(?:{names})(?![\w./'\"-])", lambda found: named(found[0]), text)


def kind_of(value: Any) -> str:
    """What a value of a YAML or JSON file is, in words."""
    kinds = {dict: "keys and values", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), "nothing" if value is None else "a number")


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?`, or the list of known names where nothing is near."""
    names = sorted(str(item) for item in known)
    return _hint_near(name, names) or f" (known: {', '.join(names)})"


def _field_value(value: Any, field: dataclasses.Field[Any], hint: Any, name: str) -> Any:
    parse = field.metadata.get("parse")
    if parse is None:
        return _convert(value, hint, name)
    if isinstance(value, (list, tuple)):
        return tuple(_parsed(item, parse, f"{name}[{index}]") for index, item in enumerate(value))
    return _parsed(value, parse, name)


def _parsed(value: Any, parse: Callable[[str, str], Any], name: str) -> Any:
    """Text and plain numbers (`input_size: 384`) go through the parser; the rest is parsed."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return parse(str(value), name)
    return value


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        options = [option for option in arguments if option is not type(None)]
        for option in options[:-1]:
            try:
                return _convert(value, option, where)
            except ConfigError:
                continue
        return _convert(value, options[-1], where)
    if origin is typing.Literal:
        if value not in arguments:
            known = [str(item) for item in arguments]
            raise ConfigError(
                f"{where} must be one of {', '.join(known)}, not "
                f"{value!r}{_hint_near(value, known)}"
            )
        return value
    if origin is tuple:
        return _convert_tuple(value, arguments, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must hold keys and values, not {value!r}")
        return from_mapping(hint, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must hold keys and values, not {value!r}")
        return {key: _convert(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ConfigError(f"{where} must be a finite number, not {value}")
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is not Any and (
        not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool)
    ):
        raise ConfigError(f"{where} must be {_name(hint)}, not {value!r}")
    return value


def _convert_tuple(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where} must be a list, not {value!r}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(
            _convert(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value)
        )
    if len(value) != len(arguments):
        raise ConfigError(f"{where} must have {len(arguments)} entries, not {len(value)}")
    return tuple(
        _convert(item, hint, f"{where}[{index}]")
        for index, (item, hint) in enumerate(zip(value, arguments, strict=True))
    )


def _hint_near(value: Any, known: list[str]) -> str:
    """Those that are nearest: several where none of them is nearer, as to `w32`."""
    close = difflib.get_close_matches(str(value), known, n=len(known) or 1)
    likeness = [difflib.SequenceMatcher(None, name, str(value)).ratio() for name in close]
    best = sorted(name for name, ratio in zip(close, likeness, strict=True) if ratio == likeness[0])
    return f", did you mean {' or '.join(map(repr, best))}?" if best else ""


def _name(hint: Any) -> str:
    return {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        Path: "a path",
    }.get(hint, str(hint))
