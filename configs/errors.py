"""Every error that this project raises on purpose.

    PoseStreamError
    ├── ConfigError (ValueError)               a preset, YAML file or flag that cannot be used
    ├── CheckpointError (ValueError)           weights that do not fit the network
    ├── ModelError (ValueError)                a model file that is damaged or not one of ours
    ├── DataError (ValueError)                 images or annotations that cannot be used
    ├── RuntimeUnavailableError (ImportError)  a runtime's package or device is missing
    ├── ExecutionError (RuntimeError)          a runtime failed while it was working
    ├── StageError (RuntimeError)              a stage of the user's own failed
    ├── FetchError (OSError)                   a file cannot be fetched from the network
    ├── SourceError (OSError)                  a video source cannot be opened or read
    └── SinkError (OSError)                    an output cannot be opened or written

A message says what went wrong, with which thing (its repr), and what to do next. It is one line:
commands print it after `error:` and leave with exit code 2. Passwords in URLs are taken out with
`redact_url` before they get into a message.
"""

from __future__ import annotations

import re


class PoseStreamError(Exception):
    """Anything that this project raises on purpose."""


class ConfigError(PoseStreamError, ValueError):
    """A preset, a YAML file or a flag cannot be used."""


class CheckpointError(PoseStreamError, ValueError):
    """Weights do not fit the network that they were given to."""


class ModelError(PoseStreamError, ValueError):
    """A model file is damaged, or was not written by this project."""


class DataError(PoseStreamError, ValueError):
    """Images or annotations cannot be used."""


class RuntimeUnavailableError(PoseStreamError, ImportError):
    """A package or a device that a runtime needs is not there."""


class ExecutionError(PoseStreamError, RuntimeError):
    """A runtime failed while it was working."""


class StageError(PoseStreamError, RuntimeError):
    """A stage that the user put into a pipeline failed."""


class FetchError(PoseStreamError, OSError):
    """A file cannot be fetched from the network."""


class SourceError(PoseStreamError, OSError):
    """A video source cannot be opened or read."""


class SinkError(PoseStreamError, OSError):
    """An output cannot be opened or written."""


_AFTER_SCHEME = re.compile(r"(?<=://)(?:(?!\s['\"]?\w+://).)+", re.DOTALL)  # up to the next URL
_PORT = re.compile(r"(\d+|[\da-fA-F]*\])['\"]?")  # or the end of an IPv6 address
_WORD = re.compile(r"[^\s'\"]*")
# Addresses whose slashes were forgotten, or lost where they were taken for paths.
_BARE = re.compile(r"(?<!\w)((?:[A-Za-z][\w+.-]*:/?)?)[^\s'\"/@:]+:(?!\\)[^\s'\"/@]+@(?=[\w\[])")
# rtsp://camera/user=admin_password=geheim_channel=1_stream=0.sdp is how many recorders want it.
_NAMED = re.compile(
    r"(?<![A-Za-z])((?i:pass(?:word|wd|phrase)?|pwd|token|secret|api_?key)=)[^&\s'\"/;]*?"
    r"((?:_(?:channel|stream)=[\w.]*)*)(?=[&\s'\"/;]|$)"
)


def one_line(error: BaseException) -> str:
    """What a library said, without line breaks and short enough for a message of ours."""
    return " ".join(str(error).split())[:300]


def redact_url(text: str) -> str:
    """`text` with the credentials of every URL in it replaced by `***`, and the values of
    `password=`, `token=` and the like.

    Where a password has characters that would end an address (quotes, spaces, `@`, `/`, another
    `://`), rather too much is taken out than too little.
    """
    shown, copied = "", 0
    begun: int | None = None  # credentials that no `@` has ended yet
    for match in _AFTER_SCHEME.finditer(text):
        length = _credentials(match[0])
        begin, end = match.start(), match.start() + length
        if begun is not None and "@" in match[0]:
            begin, end = begun, match.start() + match[0].rfind("@") + 1
            begun = None
        elif length == 0 and begun is None and _is_password_begun(match[0]):
            begun = match.start()
            continue
        if length or begin < match.start():
            shown, copied = f"{shown}{text[copied:begin]}***@", end
    if begun is not None:
        rest = _WORD.match(text, begun)
        shown, copied = f"{shown}{text[copied:begun]}***", begun if rest is None else rest.end()
    return _NAMED.sub(r"\1***\2", _BARE.sub(r"\1***@", shown + text[copied:]))


def after_credentials(address: str) -> str:
    """What follows `scheme://` in a URL, without user and password.

    A password that contains `@` or `/` although it should be percent-encoded is taken out whole.
    """
    before, found, after = address.rpartition("@")
    return after if found and ("/" not in before or ":" in before.split("/", 1)[0]) else address


def _credentials(text: str) -> int:
    """How many characters at the beginning of what follows `scheme://` are credentials."""
    word = _WORD.match(text)
    address = text if word is None else word[0]
    begin = len(address) - len(after_credentials(address))
    authority = text.partition("/")[0]
    port = authority.rpartition(":")[2]
    if "@" in authority or (":" in authority and not _PORT.fullmatch(port)):
        begin = max(begin, text.rfind("@") + 1)
    return begin


def _is_password_begun(text: str) -> bool:
    """Whether `user:` and the first word of a password stand there, without their `@`."""
    word = _WORD.match(text)
    authority = ("" if word is None else word[0]).partition("/")[0].rstrip(":,.;)")
    return ":" in authority and not _PORT.fullmatch(authority.rpartition(":")[2])
