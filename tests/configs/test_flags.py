"""Flags come from dataclasses, and mistakes on the command line are ConfigErrors."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from configs.errors import ConfigError, SourceError, redact_url
from configs.flags import FlagParser, add_flags, from_namespace, option, run_command


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
    assert (
        parse("--size", "640", "--scales", "0.5", "1", "--flip", "--runtime", "torch", "-n", "a")
        == expected
    )
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
    assert (
        redact_url("rtsp://user:pass@host:554/a and http://h/b")
        == "rtsp://***@host:554/a and http://h/b"
    )
    assert redact_url("'rtsp://user:p@ss/word@host/a': refused") == "'rtsp://***@host/a': refused"


@dataclass(frozen=True, kw_only=True)
class Required:
    map_strides: tuple[int, ...] = option(help="strides")
    images: tuple[str, ...] = option(help="images")
    limit: int = option(1, help="limit")


def test_every_flag_that_is_missing_is_named() -> None:
    parser = FlagParser(prog="example")
    add_flags(parser, Required)
    with pytest.raises(
        ConfigError, match=r"^command line: --map-strides and --images must be given$"
    ):
        from_namespace(Required, parser.parse_args(["--limit", "2"]))
    with pytest.raises(ConfigError, match=r"^command line: --images must be given$"):
        from_namespace(Required, parser.parse_args(["--map-strides", "2"]))


def failing(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("unknown model 'lit'"), "error: unknown model 'lit'"),
        (SourceError("rtsp://me:secret@camera/1:\nrefused"), "error: rtsp://***@camera/1: refused"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.json"),
            "error: cannot use 'out.json': No space left on device",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "error: No space left on device"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(failing(error)) == 2
    said = capsys.readouterr()
    assert (said.err, said.out) == (f"{line}\n", "")


def test_a_command_keeps_its_exit_code_and_ctrl_c_is_130(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(lambda: 1) == 1
    assert capsys.readouterr().err == ""
    assert run_command(failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_mistake_in_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(failing(ZeroDivisionError()))
