"""Flags come from dataclasses, and mistakes on the command line are ConfigErrors."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from configs.errors import ConfigError, SourceError, redact_url
from configs.flags import (
    FlagParser,
    add_flags,
    add_groups,
    from_namespace,
    option,
    option_groups,
    run_command,
)
from configs.loading import from_mapping


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
        (("--size", "big"), "--size must be a whole number, not 'big'"),
        (("--size",), "--size needs a value"),
        (("--flip=yes",), "--flip/--no-flip takes no value, and has 'yes'"),
        (("-a.mp4",), "there is no -a.mp4; a file of such a name is ./-a.mp4"),
        (("a.mp4",), "nothing is expected where 'a.mp4' stands"),
        (("--sizes", "3"), "there is no --sizes 3, did you mean '--size'?"),
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


_PASSWORDS = st.text(st.characters(codec="utf-8"), min_size=4, max_size=12).filter(
    # what reads as a port and a path cannot be told from them
    lambda text: not re.match(r"\d*\]?['\"]?(/|$)", text) and text.strip()
)


@given(_PASSWORDS, st.sampled_from(["rtsp", "http", "rtmp"]), st.booleans())
@example("pa'ss word", "rtsp", True)
@example('a"b://c@d', "http", False)
def test_no_character_of_a_password_is_in_a_message(
    password: str, scheme: str, quoted: bool
) -> None:
    url = f"{scheme}://user:{password}@camera.lan/live"
    message = f"cannot read {url!r}: refused" if quoted else f"cannot read {url}: refused"
    said = redact_url(message)
    left = said.replace("cannot read", "").replace("refused", "")
    assert left.strip(" ':\"") == f"{scheme}://***@camera.lan/live"


@dataclass(frozen=True, kw_only=True)
class Required:
    map_strides: tuple[int, ...] = option(help="strides")
    images: tuple[str, ...] = option(help="images")
    limit: int = option(1, help="limit")


def test_every_flag_that_is_missing_is_named() -> None:
    parser = FlagParser(prog="example")
    add_flags(parser, Required)
    with pytest.raises(ConfigError, match=r"^--map-strides and --images must be given$"):
        from_namespace(Required, parser.parse_args(["--limit", "2"]))
    with pytest.raises(ConfigError, match=r"^--images must be given$"):
        from_namespace(Required, parser.parse_args(["--map-strides", "2"]))


@dataclass(frozen=True, kw_only=True)
class Themed:
    theme: str = option("clear", help="theme")

    def __post_init__(self) -> None:
        if self.theme != "clear":
            raise ConfigError(f"unknown theme {self.theme!r} (known: clear)")


def test_a_value_that_is_refused_without_naming_its_flag_is_told_as_it_is() -> None:
    parser = FlagParser(prog="example")
    add_flags(parser, Themed)
    with pytest.raises(ConfigError, match=r"^unknown theme 'foo' \(known: clear\)$"):
        from_namespace(Themed, parser.parse_args(["--theme", "foo"]))
    with pytest.raises(ConfigError, match=r"^cameras.yaml: unknown theme 'foo'"):
        from_mapping(Themed, {"theme": "foo"}, "cameras.yaml")


def parse_percent(text: str, name: str) -> Fraction:
    if not text.endswith("%"):
        raise ConfigError(f"{name} must be a share such as 50%, not {text!r}")
    return Fraction(int(text[:-1]), 100)


@dataclass(frozen=True, kw_only=True)
class Parsed:
    TITLE: ClassVar[str] = "shares"

    share: Fraction | None = option(None, help="share", parse=parse_percent)
    more_shares: tuple[Fraction, ...] = option((), help="shares", parse=parse_percent)
    limit_px: float = option(1.0, help="limit")

    def __post_init__(self) -> None:
        if self.limit_px > 9:
            raise ConfigError(f"limit_px must be at most 9, not {self.limit_px:g}")


def parse_shares(*arguments: str) -> Parsed:
    parser = FlagParser(prog="example")
    add_flags(parser, Parsed)
    return from_namespace(Parsed, parser.parse_args(arguments))


def test_text_becomes_the_type_that_it_means_on_the_command_line_and_in_yaml() -> None:
    expected = Parsed(share=Fraction(1, 2), more_shares=(Fraction(1, 4), Fraction(1)))
    assert parse_shares("--share", "50%", "--more-shares", "25%", "100%") == expected
    values = {"share": "50%", "more_shares": ["25%", Fraction(1)]}
    assert from_mapping(Parsed, values, "shares.yaml") == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": "half"}, "{share} must be a share such as 50%, not 'half'"),
        ({"share": "50"}, "{share} must be a share such as 50%, not '50'"),
        ({"more_shares": ["1%", "x"]}, "{more_shares}[1] must be a share such as 50%, not 'x'"),
        ({"limit_px": "12"}, "{limit_px} must be at most 9, not 12"),
        ({"limit_px": "nan"}, "{limit_px} must be a finite number, not nan"),
        ({"limit_px": "inf"}, "{limit_px} must be a finite number, not inf"),
    ],
)
def test_a_wrong_value_names_the_flag_or_the_key_and_shows_an_example(
    values: dict[str, Any], message: str
) -> None:
    (name, value) = next(iter(values.items()))
    flag = "--" + name.replace("_", "-")
    arguments = value if isinstance(value, list) else [value]
    with pytest.raises(ConfigError) as caught:
        parse_shares(flag, *arguments)
    assert str(caught.value) == message.replace(f"{{{name}}}", flag)

    in_yaml = float(value) if name == "limit_px" else value
    with pytest.raises(ConfigError) as caught:
        from_mapping(Parsed, {name: in_yaml}, "shares.yaml")
    assert str(caught.value) == message.replace(f"{{{name}}}", f"shares.yaml: {name}")


def test_flags_are_written_out() -> None:
    with pytest.raises(ConfigError, match="--sh"):
        parse_shares("--sh", "50%")


def test_the_groups_of_flags_are_the_arguments_of_a_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def function(
        path: str, *, shares: Parsed | None = None, example: Example | str = "", note: str = ""
    ) -> Required:
        raise NotImplementedError

    groups = option_groups(function)
    assert groups == {"shares": Parsed, "example": Example}
    parser = FlagParser(prog="example")
    add_groups(parser, groups)
    found = parser.parse_args(["--share", "1%", "--size", "3"])
    assert from_namespace(Parsed, found) == Parsed(share=Fraction(1, 100))
    assert from_namespace(Example, found) == Example(size=3)
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    shown = capsys.readouterr().out
    assert "\nshares:\n" in shown and "\nexample:\n" in shown


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
        (
            ModuleNotFoundError("No module named 'torch'", name="torch.nn"),
            "error: this needs torch: pip install 'higherhrnet-stream[torch]'",
        ),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(failing(error)) == 2
    said = capsys.readouterr()
    assert (said.err, said.out) == (f"{line}\n", "")


@dataclass(frozen=True, kw_only=True)
class Range:
    from_s: float = option(0.0, help="from")
    until_s: float = option(1.0, help="until")

    def __post_init__(self) -> None:
        if self.until_s < self.from_s:
            raise ConfigError(
                f"until_s must not be below from_s ({self.from_s:g}), as in 'from_s.mp4'"
            )


def test_a_message_about_two_flags_names_both_as_they_are_typed() -> None:
    parser = FlagParser(prog="example")
    add_flags(parser, Range)
    with pytest.raises(ConfigError) as found:
        from_namespace(Range, parser.parse_args(["--from-s", "3"]))
    assert str(found.value) == "--until-s must not be below --from-s (3), as in 'from_s.mp4'"
    with pytest.raises(ConfigError) as found:
        from_mapping(Range, {"from_s": 3}, "range.yaml")
    assert str(found.value).startswith("range.yaml: until_s must not be below from_s (3)")


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
