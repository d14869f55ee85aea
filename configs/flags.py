"""Command-line flags made from frozen dataclasses, so that flags, defaults and YAML keys cannot
drift apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from configs.errors import ConfigError, PoseStreamError, redact_url
from configs.loading import from_mapping

T = TypeVar("T")


def option(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    metavar: str | None = None,
    short: str | None = None,
    positional: bool = False,
    parse: Callable[[str, str], Any] | None = None,
    show: Callable[[Any], str] = str,
    secret: bool = False,
) -> Any:
    """A dataclass field that is also a command-line flag.

    Args:
        default: What it is where nothing is said; without one the flag must be given.
        help: Its line in `--help`.
        metavar: What stands for the value there; for a tuple of fixed length a word for each item.
        short: A second name, such as `-v`.
        positional: It is given by its place instead of by a flag; `metavar` is its name then.
            With a default it may be left out.
        parse: Makes the field's type from (text, name), on the command line and in YAML; for a
            tuple, of each of its items. Raises a ConfigError that begins with the name and shows an
            example.
        show: The inverse of `parse`, for help and for command lines that are shown.
        secret: Whether the value is shown nowhere.
    """
    metadata = {
        "help": help,
        "metavar": metavar,
        "short": short,
        "positional": positional,
        "parse": parse,
        "show": _stars if secret else show,
    }
    if isinstance(default, (list, dict)):
        raise TypeError("a frozen configuration needs an immutable default")
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


_PLAIN = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r"argument (.*?): invalid int value: (.*)", "{} must be a whole number, not {}"),
        (r"argument (.*?): invalid float value: (.*)", "{} must be a number, not {}"),
        (r"argument (.*?): invalid choice: (.*)", "{} cannot be {}"),
        (r"argument (.*?): ignored explicit argument (.*)", "{} takes no value, and has {}"),
        (r"argument (.*?): expected one argument", "{} needs a value"),
        (r"argument (.*?): expected at least one argument", "{} needs at least one value"),
        (r"argument (.*?): expected (\d+) arguments", "{} needs {} values"),
        (r"the following arguments are required: (.*)", "{} must be given"),
    )
)
EXTRA_OF = {
    **dict.fromkeys(("torch", "onnx"), "torch"),
    **dict.fromkeys(("pycocotools", "matplotlib", "trackeval", "scipy"), "evaluation"),
}
"""The extra that brings a package, by its name: for commands whose modules simply import it."""

_UNKNOWN = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)


class FlagParser(argparse.ArgumentParser):
    """A parser whose mistakes are ConfigErrors, so that every command reports bad input in the same
    one line. Flags are written out: `--batch` is not taken for `--batch-window-ms`.
    """

    def __init__(self, **keywords: Any) -> None:
        super().__init__(allow_abbrev=False, **keywords)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self._in_words(message)} (see {self.prog} --help)")

    def _all_flags(self) -> Iterator[str]:
        """Those of its commands, too, whose unknown flags it is told of."""
        yield from self._option_string_actions
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - has no other name
                for parser in action.choices.values():
                    yield from parser._option_string_actions  # noqa: SLF001

    def _in_words(self, message: str) -> str:
        """What argparse says, as the rest of the messages would say it."""
        for pattern, words in _PLAIN:
            match = pattern.fullmatch(message)
            if match is not None:
                return words.format(*match.groups())
        unknown = _UNKNOWN.fullmatch(message)
        if unknown is None:
            return message
        words = unknown[1]
        first = re.split("[= ]", words, maxsplit=1)[0]
        if not first.startswith("-"):
            return f"nothing is expected where {words!r} stands"
        flags = list(self._all_flags())
        if first in flags:
            return f"{first} is not a flag of this command"
        near = difflib.get_close_matches(first, flags, n=1) if first.startswith("--") else []
        hint = f", did you mean {near[0]!r}?" if near else ""
        if not first.startswith("--") and "." in first:
            hint = f"; a file of such a name is ./{first}"
        return f"there is no {words}{hint}"


def option_groups(function: Callable[..., Any]) -> dict[str, type[Any]]:
    """The arguments of `function` that are dataclasses with flags, by name.

    A class is found in `Config`, `Config | None` and `Config | Other` alike.
    """
    groups = {}
    for name, hint in typing.get_type_hints(function).items():
        for item in (hint, *typing.get_args(hint)):
            if isinstance(item, type) and any(map(_is_flag, _fields(item))):
                groups[name] = item
    groups.pop("return", None)
    return groups


def add_groups(parser: argparse.ArgumentParser, groups: Mapping[str, type[Any]]) -> None:
    """Adds the flags of several dataclasses, each under its `TITLE`."""
    for name, cls in groups.items():
        group: Any = parser.add_argument_group(getattr(cls, "TITLE", name))
        add_flags(group, cls)  # a group has the same `add_argument` as the parser


def add_flags(parser: argparse.ArgumentParser, cls: type[Any]) -> None:
    """Adds one flag for every field of the dataclass `cls` that was made with `option`."""
    hints = typing.get_type_hints(cls)
    for field in filter(_is_flag, _fields(cls)):
        names = [_flag(field)]
        if field.metadata["short"] is not None:
            names.insert(0, field.metadata["short"])
        hint = _without_none(hints[field.name])
        keywords: dict[str, Any] = {"help": _help(field, hint), "default": argparse.SUPPRESS}
        optional = field.default is not dataclasses.MISSING
        if field.metadata["positional"]:
            names = [field.name]
            if optional:
                keywords["nargs"] = "?"
        else:
            keywords["dest"] = field.name
        if hint is bool:
            parser.add_argument(*names, action=argparse.BooleanOptionalAction, **keywords)
            continue
        if field.metadata["metavar"] is not None:
            keywords["metavar"] = field.metadata["metavar"]
        if typing.get_origin(hint) is typing.Literal:
            keywords["metavar"] = "|".join(str(item) for item in typing.get_args(hint))
            hint = str
        if _takes_several(field, hint):
            *items, last = typing.get_args(hint)
            keywords["nargs"] = "+" if last is Ellipsis else len(items) + 1
            if field.metadata["positional"] and optional and last is Ellipsis:
                keywords["nargs"] = "*"
            if last is not Ellipsis and field.metadata["metavar"] is not None:
                keywords["metavar"] = tuple(field.metadata["metavar"].split())  # one for each
            hint = typing.get_args(hint)[0]
        if hint in (int, float) and field.metadata["parse"] is None:
            keywords["type"] = hint
        parser.add_argument(*names, **keywords)


def from_namespace(cls: type[T], namespace: argparse.Namespace, **values: Any) -> T:
    """An instance of `cls` from what was parsed and from `values`; what is given in neither keeps
    its default.

    Raises:
        ConfigError: As `configs.loading.from_mapping` does; it names the flag.
    """
    fields = {field.name: field for field in _fields(cls)}
    given = {name: value for name, value in vars(namespace).items() if name in fields} | values
    missing = [
        _flag(field)
        for field in fields.values()
        if field.default is dataclasses.MISSING and field.name not in given
    ]
    if missing:
        raise ConfigError(f"{' and '.join(missing)} must be given")
    # A message of a flag's parser needs no word of where: it is of what was just typed.
    return from_mapping(cls, given, "", named=lambda key: _flag(fields[key]))


def flag_words(config: Any) -> list[list[str]]:
    """What a command line says to get `config`: for every field that differs from its default the
    flag, and its values.
    """
    hints = typing.get_type_hints(type(config))
    words = []
    for field in filter(_is_flag, _fields(type(config))):
        value = getattr(config, field.name)
        if value == field.default:
            continue
        flag = _flag(field)
        if isinstance(value, bool):
            words.append([flag if value else f"--no-{flag[2:]}"])
        elif value is not None:
            several = _takes_several(field, _without_none(hints[field.name]))
            items = value if several else (value,)
            shown = [field.metadata["show"](item) for item in items]
            words.append(shown if field.metadata["positional"] else [flag, *shown])
    return words


def plain_value(config: Any, name: str) -> Any:
    """The value of a flag's field as YAML has it: None, a number, text, or a list of them."""
    (field,) = (field for field in _fields(type(config)) if field.name == name)
    value = getattr(config, name)
    if value is None or isinstance(value, bool):
        return value
    several = _takes_several(field, _without_none(typing.get_type_hints(type(config))[name]))
    if several or (isinstance(value, tuple) and field.metadata["parse"] is None):
        return [_plain(field, item) for item in value]
    return _plain(field, value)


def _plain(field: dataclasses.Field[Any], value: Any) -> Any:
    if field.metadata["parse"] is None and isinstance(value, (int, float, str)):
        return value
    return field.metadata["show"](value)


def tell(level: str, message: str) -> None:
    """A line on standard error, where somebody reads that: a terminal may be gone."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{message}\n" if level == "info" else f"{level}: {message}\n")
            sys.stderr.flush()


def run_command(command: Callable[[], int], tell: Callable[[str, str], None] = tell) -> int:
    """Runs a command and returns its exit code: the command's own, 2 after an error, 130 after
    Ctrl-C.

    An error that this project raises on purpose, or that the operating system reports, is one line
    on standard error, without the credentials of URLs, and so is an optional package that is
    missing; any other exception is a mistake in the program and keeps its traceback.

    Args:
        command: What is run.
        tell: Says that line; is given its level, `error` or `info`, and the message.
    """
    try:
        return command()
    except PoseStreamError as error:
        message = str(error)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise
        message = f"this needs {package}: pip install 'higherhrnet-stream[{EXTRA_OF[package]}]'"
    except OSError as error:
        # A full disk or a folder that may not be written surfaces at whatever line writes.
        place = "" if error.filename is None else f"cannot use {str(error.filename)!r}: "
        message = f"{place}{error.strerror or error}"
    except KeyboardInterrupt:
        tell("info", "interrupted")
        return 130
    tell("error", " ".join(redact_url(message).split()))
    return 2


def _fields(cls: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()


def _stars(value: Any) -> str:
    return "***"


def _takes_several(field: dataclasses.Field[Any], hint: Any) -> bool:
    """Whether several values may follow the flag: a parser makes a pair of one text, too."""
    if typing.get_origin(hint) is not tuple:
        return False
    return field.metadata["parse"] is None or typing.get_args(hint)[-1] is Ellipsis


def _is_flag(field: dataclasses.Field[Any]) -> bool:
    return "help" in field.metadata


def _flag(field: dataclasses.Field[Any]) -> str:
    if field.metadata.get("positional"):
        return str(field.metadata["metavar"] or field.name.upper())
    return "--" + field.name.replace("_", "-")


def _help(field: dataclasses.Field[Any], hint: Any) -> str:
    text = str(field.metadata["help"]).replace("%", "%%")
    default = field.default
    if default in (dataclasses.MISSING, None, (), "") or isinstance(default, bool):
        return text
    show = field.metadata["show"]
    items = default if _takes_several(field, hint) else (default,)
    return f"{text} (default: {' '.join(show(item) for item in items)})"


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [item for item in typing.get_args(hint) if item is not type(None)]
        return options[0] if len(options) == 1 else str
    return hint
