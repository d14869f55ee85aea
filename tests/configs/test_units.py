"""Sizes and durations mean what people write, and a mistake is answered with an example."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import ConfigError
from configs.units import (
    HostPort,
    Size,
    parse_duration,
    parse_host_port,
    parse_size,
    parse_size_or_side,
)


@pytest.mark.parametrize("text", ["1280x720", "1280X720", "1280×720", " 1280 x 720 "])
def test_a_size_is_width_before_height(text: str) -> None:
    size = parse_size(text, "--camera-size")
    assert size == Size(width=1280, height=720)
    assert size.shape == (720, 1280)


@given(st.integers(1, 10**5), st.integers(1, 10**5))
def test_a_size_is_written_as_it_is_read(width: int, height: int) -> None:
    assert parse_size(str(Size(width, height)), "size") == Size(width, height)


@pytest.mark.parametrize(
    "text", ["", "1280", "1280x", "x720", "0x720", "1280x-720", "1280x720x3", "1e3x720", "١x٢"]
)
def test_anything_else_is_no_size_and_the_message_shows_one(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(text, "--camera-size")
    assert str(caught.value) == (
        f"--camera-size must be WIDTHxHEIGHT, such as 1280x720, not {text!r}"
    )


def test_one_number_is_a_short_side_where_that_makes_sense() -> None:
    assert parse_size_or_side("512", "--input-size") == 512
    assert parse_size_or_side("448x320", "--input-size") == Size(448, 320)
    for text in ("", "0", "448x", "-32", "5.5"):
        with pytest.raises(ConfigError) as caught:
            parse_size_or_side(text, "--input-size")
        assert str(caught.value) == (
            "--input-size must be a short side, such as 320, or WIDTHxHEIGHT, such as 448x320, "
            f"not {text!r}"
        )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300ms", Fraction(3, 10)),
        ("0.3s", Fraction(3, 10)),
        (".5s", Fraction(1, 2)),
        ("90s", Fraction(90)),
        ("10m", Fraction(600)),
        ("1.5 h", Fraction(5400)),
    ],
)
def test_a_duration_is_exact_seconds(text: str, seconds: Fraction) -> None:
    assert parse_duration(text, "--segment") == seconds


@pytest.mark.parametrize("text", ["", "90", "ms", "0s", "0.0ms", "-1s", "1e3s", "ten", "1.s", "1d"])
def test_anything_else_is_no_duration_and_the_message_shows_one(text: str) -> None:
    with pytest.raises(ConfigError, match="--segment must be a positive time") as caught:
        parse_duration(text, "--segment")
    assert "such as 90s" in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        ("localhost:0", "localhost", 0),
        ("[::1]:8000", "::1", 8000),
        (" 0.0.0.0:65535 ", "0.0.0.0", 65535),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    found = parse_host_port(text, "--metrics")
    assert found == HostPort(host, port)
    assert str(found) == text.strip()


@pytest.mark.parametrize(
    "text", ["9464", ":9464", "host:", "host:65536", "::1:80", "a b:1", "h:-1"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--metrics must be HOST:PORT, such as 127\.0\.0\.1:"):
        parse_host_port(text, "--metrics")
