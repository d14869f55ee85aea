"""Command-line flags made from frozen dataclasses, so that flags, defaults and YAML keys cannot
drift apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from configs.errors import ConfigError, PoseStreamError, redact_url
from configs.loading import build

T = TypeVar("T")


def option(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    metavar: str | None = None,
    short: str | None = None,
) -> Any:
    """A dataclass field that is also a command-line flag; `help` is its line in `--help`."""
    metadata = {"help": help, "metavar": metavar, "short": short}
    if isinstance(default, (list, dict)):
        raise TypeError("a frozen configuration needs an immutable default")
    return dataclasses.field(default=default, metadata=metadata)


class FlagParser(argparse.ArgumentParser):
    """A parser whose mistakes are ConfigErrors, so that every command reports bad input in the same
    one line.
    """

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {self.prog} --help)")


def add_flags(parser: argparse.ArgumentParser, cls: type[Any]) -> None:
    """Adds one flag for every field of the dataclass `cls` that was made with `option`."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if "help" not in field.metadata:
            continue
        flag = _flag(field)
        names = [flag] if field.metadata["short"] is None else [field.metadata["short"], flag]
        keywords: dict[str, Any] = {
            "dest": field.name,
            "help": _help(field),
            "default": argparse.SUPPRESS,
        }
        hint = _without_none(hints[field.name])
        if hint is bool:
            parser.add_argument(*names, action=argparse.BooleanOptionalAction, **keywords)
            continue
        if field.metadata["metavar"] is not None:
            keywords["metavar"] = field.metadata["metavar"]
        if typing.get_origin(hint) is typing.Literal:
            keywords["metavar"] = "|".join(str(item) for item in typing.get_args(hint))
            hint = str
        if typing.get_origin(hint) is tuple:
            keywords["nargs"] = "+"
            hint = typing.get_args(hint)[0]
        if hint in (int, float):
            keywords["type"] = hint
        parser.add_argument(*names, **keywords)


def from_namespace(cls: type[T], namespace: argparse.Namespace, **values: Any) -> T:
    """An instance of `cls` from what was parsed and from `values`; what is given in neither keeps
    its default.

    Raises ConfigError as `configs.loading.build` does, naming the flag.
    """
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    names = {field.name for field in fields}
    given = {name: value for name, value in vars(namespace).items() if name in names} | values
    missing = [
        _flag(field)
        for field in fields
        if field.default is dataclasses.MISSING and field.name not in given
    ]
    if missing:
        raise ConfigError(f"command line: {' and '.join(missing)} must be given")
    return build(cls, given, "command line")


def run_command(command: Callable[[], int]) -> int:
    """Runs a command and returns its exit code: the command's own, 2 after an error, 130 after
    Ctrl-C.

    An error that this project raises on purpose, or that the operating system reports, is one line
    on standard error, without the credentials of URLs; any other exception is a mistake in the
    program and keeps its traceback.
    """
    try:
        return command()
    except PoseStreamError as error:
        message = str(error)
    except OSError as error:
        # A full disk or a folder that may not be written surfaces at whatever line writes.
        place = "" if error.filename is None else f"cannot use {str(error.filename)!r}: "
        message = f"{place}{error.strerror or error}"
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    sys.stderr.write(f"error: {' '.join(redact_url(message).split())}\n")
    return 2


def _flag(field: dataclasses.Field[Any]) -> str:
    return "--" + field.name.replace("_", "-")


def _help(field: dataclasses.Field[Any]) -> str:
    text = str(field.metadata["help"]).replace("%", "%%")
    default = field.default
    if default in (dataclasses.MISSING, None, (), "") or isinstance(default, bool):
        return text
    shown = " ".join(str(item) for item in default) if isinstance(default, tuple) else str(default)
    return f"{text} (default: {shown})"


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [item for item in typing.get_args(hint) if item is not type(None)]
        return options[0] if len(options) == 1 else str
    return hint
