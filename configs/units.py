"""Sizes, durations and addresses as people write them on a command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from configs.errors import ConfigError

_SIZE = re.compile(r"([1-9][0-9]*)\s*[xX×]\s*([1-9][0-9]*)")
_SIDE = re.compile(r"[1-9][0-9]*")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h)")
_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})")
_SECONDS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}


@dataclass(frozen=True, order=True)
class Size:
    """The size of a picture; `str` writes it as it is parsed.

    Attributes:
        width: Pixels in a row.
        height: Rows.
    """

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), the order of arrays."""
        return self.height, self.width


def parse_size(text: str, name: str, example: str = "1280x720") -> Size:
    """The size that WIDTHxHEIGHT names.

    Args:
        text: What was written.
        name: What it was written for, such as `--camera-size`; stands in the message.
        example: A size that makes sense there; stands in the message.

    Raises:
        ConfigError: It is anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{name} must be WIDTHxHEIGHT, such as {example}, not {text!r}")
    return Size(int(match[1]), int(match[2]))


def parse_size_or_side(text: str, name: str, example: str = "448x320") -> Size | int:
    """The size that WIDTHxHEIGHT names, or the short side in pixels that one number names.

    Args:
        text: What was written.
        name: What it was written for, such as `--input-size`; stands in the message.
        example: A size that makes sense there; stands in the message.

    Raises:
        ConfigError: It is anything else.
    """
    if _SIDE.fullmatch(text.strip()):
        return int(text)
    if _SIZE.fullmatch(text.strip()) is None:
        short = min(parse_size(example, name).shape)
        raise ConfigError(
            f"{name} must be a short side, such as {short}, or WIDTHxHEIGHT, such as {example}, "
            f"not {text!r}"
        )
    return parse_size(text, name)


def parse_duration(text: str, name: str, example: str = "90s") -> Fraction:
    """The seconds that a number with a unit (ms, s, m or h) names, exact and more than 0.

    Args:
        text: What was written, such as `300ms`, `0.5s`, `10m` or `1h`.
        name: What it was written for, such as `--segment`; stands in the message.
        example: A duration that makes sense there; stands in the message.

    Raises:
        ConfigError: It is anything else; a number without a unit, too.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = Fraction(match[1]) * _SECONDS[match[2]] if match else Fraction(0)
    if seconds <= 0:
        raise ConfigError(
            f"{name} must be a positive time with its unit (ms, s, m, h), such as {example}, "
            f"not {text!r}"
        )
    return seconds


@dataclass(frozen=True)
class HostPort:
    """Where to listen; `str` writes it as it is parsed.

    Attributes:
        host: Name or address of an interface, an IPv6 address without its brackets.
        port: 0 for any that is free.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_port(text: str, name: str, example: str = "127.0.0.1:9464") -> HostPort:
    """The address that HOST:PORT names, where an IPv6 address stands in brackets.

    Args:
        text: What was written.
        name: What it was written for, such as `--metrics`; stands in the message.
        example: An address that makes sense there; stands in the message.

    Raises:
        ConfigError: It is anything else.
    """
    match = _HOST_PORT.fullmatch(text.strip())
    if match is None or int(match[2]) > 65535:
        raise ConfigError(f"{name} must be HOST:PORT, such as {example}, not {text!r}")
    return HostPort(match[1].strip("[]"), int(match[2]))


def counted(count: int, thing: str) -> str:
    """`1 frame`, `2 frames`: how messages count things whose plural ends in s."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
