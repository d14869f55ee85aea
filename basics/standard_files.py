"""Standard input, output and error: each may be closed, full, or a terminal that is gone."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def keep_open() -> None:
    """Opens what the process was started without (`>&-`), so that no other file gets its number.

    Libraries write to files 1 and 2 by number, and would write into an output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def take_any_text() -> None:
    """Lets both outputs take every text: in most languages' settings standard output refuses names
    of files that are not UTF-8, or what its encoding has no sign for.
    """
    for file in (sys.stdout, sys.stderr):
        if isinstance(file, io.TextIOWrapper) and file.errors == "strict":
            file.reconfigure(errors="backslashreplace")


def say(text: str, *, error: bool = False) -> None:
    """A line on standard output, or on standard error.

    Args:
        text: Without its line break.
        error: Whether it goes to standard error.

    Raises:
        OSError: It could not be written; the file leads nowhere from now on, so that what is left
            in its buffer makes no more trouble.
    """
    number = 2 if error else 1
    file: TextIO | None = sys.stderr if error else sys.stdout
    if file is None:
        return
    try:
        file.write(f"{text}\n")
        file.flush()
    except OSError:
        _lead_nowhere(number)
        raise
    except ValueError:  # somebody closed it
        return


def settle() -> None:
    """Empties the buffers, before the interpreter does and ends with code 120 if it cannot."""
    for number, file in ((1, sys.stdout), (2, sys.stderr)):
        if file is None:
            continue
        try:
            file.flush()
        except OSError:
            _lead_nowhere(number)
        except ValueError:  # somebody closed it
            continue


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
