"""Programs with several commands: `python -m PACKAGE COMMAND`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from configs.flags import FlagParser, add_flags, from_namespace, run_command

Say = Callable[[str], None]
"""Takes what a command has to say, line by line; a program prints it on standard output."""


class Command(NamedTuple):
    """A command of a program.

    Attributes:
        config: The dataclass that its flags come from.
        run: What it does.
        help: Its line in `--help`.
    """

    config: type[Any]
    run: Callable[[Any, Say], None]
    help: str


def command_parser(program: str, description: str, commands: Mapping[str, Command]) -> FlagParser:
    """The parser of a program; the name of the command is in `command` of what it parses."""
    parser = FlagParser(prog=f"python -m {program}", description=description)
    subparsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=FlagParser
    )
    for name, command in commands.items():
        add_flags(
            subparsers.add_parser(name, help=command.help, description=command.help), command.config
        )
    return parser


def run_commands(
    program: str,
    description: str,
    commands: Mapping[str, Command],
    arguments: Sequence[str] | None,
    say: Say = print,
) -> int:
    """Runs the command that the arguments name.

    Args:
        program: Name of the package.
        description: Its line above the commands in `--help`.
        commands: By name.
        arguments: By default those that this process was started with.
        say: Takes what the command has to say.

    Returns:
        The exit code: 0; 2 after one line on standard error for input that cannot be used; 130
        after Ctrl-C.
    """

    def run() -> int:
        parsed = command_parser(program, description, commands).parse_args(arguments)
        command = commands[parsed.command]
        command.run(from_namespace(command.config, parsed), say)
        return 0

    return run_command(run)
