"""FFmpeg's errors in words that say what to do."""

from __future__ import annotations

import socket
from dataclasses import dataclass
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
_LOST: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.ConnectionRefusedError, "connection refused: nothing listens there"),
    (av.error.ConnectionResetError, "connection reset by the other side"),
    (av.error.BrokenPipeError, "connection closed by the other side"),
    (av.error.HTTPServerError, "the server reports an error of its own"),
    (av.error.HTTPTooManyRequestsError, "429 too many requests"),
    (av.error.PermissionError, "permission denied"),
    (av.error.FileNotFoundError, "no such device"),
    (av.error.InvalidDataError, "what it sends is not a stream that FFmpeg can read"),
)
_TIME_OUTS = (av.error.ExitError, av.error.TimeoutError)
_IO_ERROR = 5


@dataclass(frozen=True)
class Reason:
    """Why a source was lost or could not be reached.

    Attributes:
        text: For people to read.
        final: Whether to try again would change nothing.
        timed_out: Whether it went silent instead of refusing.
    """

    text: str
    final: bool = False
    timed_out: bool = False


def explain(error: BaseException, *, waited_s: float, limit_s: float, url: str = "") -> Reason:
    """What `error` means, when FFmpeg gave it after `waited_s` with a time-out of `limit_s`.

    FFmpeg reports a time-out while opening RTSP as damaged data, so the clock decides.
    """
    if isinstance(error, _TIME_OUTS) or (
        isinstance(error, av.InvalidDataError) and waited_s >= 0.95 * limit_s
    ):
        return Reason(f"no answer within {limit_s:g} s", timed_out=True)
    for kind, text in _REFUSED:
        if isinstance(error, kind):
            return Reason(text, final=True)
    for kind, text in _LOST:
        if isinstance(error, kind):
            return Reason(text)
    if getattr(error, "errno", None) == _IO_ERROR and url and not _resolves(url):
        return Reason(f"host name {urlsplit(url).hostname!r} cannot be resolved")
    return Reason(str(getattr(error, "strerror", None) or type(error).__name__))


def _resolves(url: str) -> bool:
    host = urlsplit(url).hostname
    if not host:
        return True
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
