"""Flags come from dataclasses, and mistakes on the command line are ConfigErrors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from configs.errors import ConfigError, redact_url
from configs.flags import FlagParser, add_flags, from_namespace, option


@dataclass(frozen=True, kw_only=True)
class Example:
    size: int = option(512, help="short side", metavar="PX")
    scales: tuple[float, ...] = option((1.0,), help="scales")
    flip: bool = option(False, help="flip test")
    runtime: Literal["auto", "torch"] = option("auto", help="what runs it")
    note: str | None = option(None, help="anything", short="-n")
    hidden: int = 3


def parse(*arguments: str) -> Example:
    parser = FlagParser(prog="example")
    add_flags(parser, Example)
    return from_namespace(Example, parser.parse_args(arguments))


def test_defaults_come_from_the_dataclass() -> None:
    assert parse() == Example()


def test_values_are_converted_to_their_types() -> None:
    expected = Example(size=640, scales=(0.5, 1.0), flip=True, runtime="torch", note="a")
    assert parse("--size", "640", "--scales", "0.5", "1", "--flip", "--runtime", "torch", "-n", "a") == expected
    assert parse("--no-flip").flip is False


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--size", "big"), "invalid int value: 'big'"),
        (("--runtime", "torhc"), "did you mean 'torch'?"),
        (("--colour",), "--colour"),
        (("--hidden", "4"), "--hidden"),
    ],
)
def test_a_wrong_flag_is_one_line(arguments: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(*arguments)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_credentials_are_taken_out_of_urls() -> None:
    assert redact_url("rtsp://user:pass@host:554/a and http://h/b") == "rtsp://***@host:554/a and http://h/b"
    assert redact_url("'rtsp://user:p@ss/word@host/a': refused") == "'rtsp://***@host/a': refused"
