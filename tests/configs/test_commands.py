"""Programs with several commands: flags from dataclasses, one exit code for bad input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from configs import ConfigError
from configs.commands import Command, Say, run_commands
from configs.flags import flag_words, option


@dataclass(frozen=True, kw_only=True)
class CopyConfig:
    source: Path = option(help="what", metavar="IN", positional=True)
    sizes: tuple[int, int, int] = option((1, 2, 3), help="sizes", metavar="MIN OPT MAX")
    loud: bool = option(False, help="loud")


def run_copy(config: CopyConfig, say: Say) -> None:
    if config.source == Path("nothing"):
        raise ConfigError("nothing to copy")
    say(f"{config.source} {config.sizes} {config.loud}")


COMMANDS = {"copy": Command(CopyConfig, run_copy, "copy a thing")}


def run(*arguments: str) -> tuple[int, list[str]]:
    said: list[str] = []
    return run_commands("copier", "Copies.", COMMANDS, arguments, said.append), said


def test_a_command_gets_its_configuration() -> None:
    assert run("copy", "a.txt") == (0, ["a.txt (1, 2, 3) False"])
    assert run("copy", "a.txt", "--sizes", "4", "5", "6", "--loud") == (
        0,
        ["a.txt (4, 5, 6) True"],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("copy",), "IN must be given (see python -m copier copy --help)"),
        (("copy", "nothing"), "nothing to copy"),
        (("copy", "a", "--sizes", "1", "2"), "--sizes needs 3 values"),
        (("cpy",), "COMMAND cannot be 'cpy'"),
        ((), "COMMAND must be given"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == (2, [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_help_has_every_flag_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("copy", "--help")
    shown = capsys.readouterr().out
    assert "--sizes MIN OPT MAX" in shown and "(default: 1 2 3)" in shown and "IN " in shown


def test_what_is_positional_is_shown_without_a_flag() -> None:
    config = CopyConfig(source=Path("a"), sizes=(4, 5, 6))
    assert flag_words(config) == [["a"], ["--sizes", "4", "5", "6"]]
