"""FFmpeg's errors in words that say what to do."""

from __future__ import annotations

import errno
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import av

# From FFmpeg's error to what it means for somebody who looks after cameras.
_REFUSED: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.HTTPUnauthorizedError, "401 unauthorised: user name or password is wrong or missing"),
    (av.error.HTTPForbiddenError, "403 forbidden: this user may not watch it"),
    (av.error.HTTPNotFoundError, "404 not found: the server has nothing at this path"),
    (av.error.HTTPBadRequestError, "400 bad request: the server does not understand the address"),
    (av.error.ProtocolNotFoundError, "unknown protocol"),
    (av.error.DemuxerNotFoundError, "unknown format"),
    (av.error.DecoderNotFoundError, "unsupported codec"),
    (av.error.OptionNotFoundError, "an option was refused"),
)
# Of devices, by their number.
_ABSENT = (errno.ENOENT, errno.ENODEV)
_DEVICE_REFUSED = {
    errno.EACCES: "permission denied: this user may not use it (on Linux: the group video may)",
    errno.EPERM: "permission denied",
    errno.ENOTTY: "it is no camera",
    errno.EISDIR: "it is a folder, not a camera",
    errno.EINVAL: "it has no such size, frame rate or format",
}
_DEVICE_BUSY = {errno.EBUSY: "another program uses it"}
_DEVICES = Path("/dev")
_OTHER_REFUSAL = "the server refuses the request (a code from 402 to 499)"
_LOST: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.ConnectionRefusedError, "connection refused: nothing listens there"),
    (av.error.ConnectionResetError, "connection reset by the other side"),
    (av.error.BrokenPipeError, "connection closed by the other side"),
    (av.error.HTTPServerError, "the server reports an error of its own"),
    (av.error.HTTPTooManyRequestsError, "429 too many requests"),
    (av.error.EOFError, "the other side closed the connection without an answer"),
    (av.error.InvalidDataError, "what it sends is not a stream that FFmpeg can read"),
)
_TIME_OUTS = (av.error.ExitError, av.error.TimeoutError)


class NoVideoError(ValueError):
    """What was reached is nothing that could be shown; the message says what it is."""


class BusyError(ValueError):
    """The server wants to be asked again; the message says what it answered."""


@dataclass(frozen=True)
class Reason:
    """Why a source was lost or could not be reached.

    Attributes:
        text: For people to read.
        final: Whether to try again would change nothing.
        absent: Whether it is a device that is not there; somebody may plug it in.
        timed_out: Whether it went silent instead of refusing.
    """

    text: str
    final: bool = False
    absent: bool = False
    timed_out: bool = False


def explain(error: BaseException, *, waited_s: float, limit_s: float, url: str = "") -> Reason:
    """What an error means.

    FFmpeg reports a time-out while opening RTSP as damaged data, so the clock decides.

    Args:
        error: What FFmpeg, or a look at what came, gave.
        waited_s: Seconds that passed before.
        limit_s: Seconds after which it counts as silent.
        url: What was opened: an address, or a device file; empty while it is read.

    Returns:
        What to say, and whether to ask again.
    """
    if isinstance(error, _TIME_OUTS) or (
        isinstance(error, av.InvalidDataError) and waited_s >= 0.95 * limit_s
    ):
        return Reason(f"no answer within {limit_s:g} s", timed_out=True)
    if isinstance(error, NoVideoError):
        return Reason(str(error), final=True)
    if isinstance(error, BusyError):
        return Reason(str(error))
    number = getattr(error, "errno", None)
    if url and "://" not in url:
        return _explain_device(number, error)
    for kind, text in _REFUSED:
        if isinstance(error, kind):
            return Reason(text, final=True)
    if isinstance(error, av.error.HTTPOtherClientError):
        # Of RTSP's own (453: not enough bandwidth, 461: this transport) some pass.
        return Reason(_OTHER_REFUSAL, final=url.lower().startswith("http"))
    for kind, text in _LOST:
        if isinstance(error, kind):
            return Reason(text)
    if number == errno.EIO and url and not _resolves(url):
        return Reason(f"host name {urlsplit(url).hostname!r} cannot be resolved")
    return Reason(_name(error))


def _explain_device(number: int | None, error: BaseException) -> Reason:
    if number in _ABSENT:
        return Reason(f"no such device{_cameras_there()}", absent=True)
    if number in _DEVICE_REFUSED:
        return Reason(_DEVICE_REFUSED[number], final=True)
    return Reason(_DEVICE_BUSY.get(number or 0) or _name(error))


def _cameras_there() -> str:
    """What could be meant instead, where the system tells (Linux)."""
    if sys.platform != "linux":
        return ""
    found = sorted(map(str, _DEVICES.glob("video[0-9]*")))
    return f" (there are: {', '.join(found)})" if found else " (no camera is connected)"


def _name(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)


def _resolves(url: str) -> bool:
    host = urlsplit(url).hostname
    if not host:
        return True
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
