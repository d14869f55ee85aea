"""`--print-config`: a file that `--config` reads, with every option that there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from basics.paths import utf8_text
from configs.flags import plain_value
from stream.app.config_file import PER_SOURCE, flag_fields
from stream.named_source import NamedSource
from stream.sources import source_labels

_SECRET_QUERY = re.compile(
    r"(?i)(?<=[?&;])([\w-]*(?:pass|pwd|token|secret|key|auth)[\w-]*=)([^&;#]+)"
)
_STREAM_KEY = re.compile(r"(?i)^(rtmps?://.*/)([^/]+)$")
_WORD = re.compile(r"(?!\.\d)[A-Za-z_/.][\w./-]*")  # needs no quotation marks
_NO_TEXT = ("true", "false", "null", ".")


class _Secrets:
    """Takes secrets out of addresses; what stands for them are environment variables.

    Attributes:
        variables: Those that the file needs, in order, and what they hold.
    """

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}

    def without(self, address: str, name: str) -> str:
        """The address of what is called `name`, without secrets."""
        if "://" not in address:
            return address
        try:
            parts = urlsplit(address)
            password = parts.password
        except ValueError:  # what is secret cannot be told
            return self._variable(name, "ADDRESS", address)
        if password is not None:
            user = quote(parts.username or "")
            host = parts.netloc.rpartition("@")[2]
            variable = self._variable(name, "PASSWORD", password)
            address = parts._replace(netloc=f"{user}:{variable}@{host}").geturl()
        address = _SECRET_QUERY.sub(
            lambda match: match[1] + self._variable(name, match[1].rstrip("="), match[2]), address
        )
        return _STREAM_KEY.sub(
            lambda match: match[1] + self._variable(name, "STREAM_KEY", match[2]), address
        )

    def _variable(self, name: str, what: str, secret: str) -> str:
        variable = plain = re.sub(r"\W|^(?=\d)", "_", f"{name}_{what}").upper()
        number = 1
        while self.variables.setdefault(variable, secret) != secret:
            number += 1
            variable = f"{plain}_{number}"
        return f"${{{variable}}}"


def config_text(
    sources: Sequence[str | NamedSource], outputs: Sequence[str], options: Mapping[str, Any]
) -> str:
    """The file, without secrets: environment variables, which it names, stand for them.

    Args:
        sources: Addresses, which get names, and sources that have one.
        outputs: Of sources that have none of their own.
        options: The configurations of the run, by the name of their group.
    """
    secrets = _Secrets()
    lines = ["sources:"]
    plain = [source for source in sources if isinstance(source, str)]
    labels = dict(zip(plain, source_labels(plain), strict=True)) if plain else {}
    for source in sources:
        if isinstance(source, str):
            source = NamedSource(name=labels[source], address=source)
        lines += _source_lines(source, options, secrets)
    if outputs:
        lines += ["outputs:", *_items(outputs, "shared", secrets, "  ")]
    lines += ["options:  # as the flags; a line that begins with # is a default"]
    for config in options.values():
        lines.append(f"  # {getattr(type(config), 'TITLE', '')}")
        lines += _option_lines(config)
    head = ["# Written by run_stream.py --print-config, read with --config FILE."]
    if secrets.variables:
        head.append(f"# Needs the environment variables {', '.join(secrets.variables)}.")
    return "\n".join([*head, *lines])


def _source_lines(
    source: NamedSource, options: Mapping[str, Any], secrets: _Secrets
) -> Iterator[str]:
    yield f"  {_yaml(source.name)}:"
    yield f"    address: {_yaml(secrets.without(str(source.address), source.name))}"
    if source.outputs is not None:
        outputs = list(map(str, source.outputs))
        yield "    outputs:" if outputs else "    outputs: []"
        yield from _items(outputs, source.name, secrets, "      ")
    own = [
        f"      {field.name}: {_value(getattr(source, group), field.name)}"
        for group, cls in PER_SOURCE.items()
        if getattr(source, group) is not None
        for field in flag_fields(cls)
        if getattr(getattr(source, group), field.name) != getattr(options[group], field.name)
    ]
    if own:
        yield from ("    options:", *own)


def _items(outputs: Sequence[str], name: str, secrets: _Secrets, indent: str) -> Iterator[str]:
    for output in outputs:
        yield f"{indent}- {_yaml(secrets.without(output, name))}"


def _option_lines(config: Any) -> Iterator[str]:
    for field in flag_fields(type(config)):
        said = field.metadata["help"]
        if not field.repr:  # a secret
            yield f"  # {field.name}: null  # {said}"
            continue
        mark = "# " if getattr(config, field.name) == field.default else ""
        yield f"  {mark}{field.name}: {_value(config, field.name)}  # {said}"


def _value(config: Any, name: str) -> str:
    return _yaml(plain_value(config, name))


def _yaml(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, str) and _WORD.fullmatch(value) and value.lower() not in _NO_TEXT:
        return value
    return utf8_text(json.dumps(value, ensure_ascii=False))
