"""A file from the web: resumed where it broke off, checked by its hash, one process at a time.

Pooch (1.9) was looked at first: it throws half a file away, compares whole hashes only, follows
any redirect, and two processes fetch twice. Its parts are used instead: Requests, and filelock.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
from filelock import FileLock, Timeout
from rich.progress import DownloadColumn, TransferSpeedColumn
from urllib3.exceptions import NameResolutionError

from basics.cache import hash_file
from basics.progress import make_progress
from configs.errors import FetchError, one_line, redact_url

ATTEMPTS = 3  # in a row that bring nothing; one that brings something does not count
PAUSE_S = 1.0  # before the second attempt; then twice, four times as long
TIMEOUT_S = 30.0  # without a byte
CHUNK_BYTES = 1 << 15  # what is lost of a connection that breaks off
_TRY_AGAIN = (408, 429, 500, 502, 503, 504)
logger = logging.getLogger(__name__)


class _BrokenOff(Exception):
    """The connection ended, or an answer says that another try may be worth while."""


def download(
    url: str, path: Path, sha256: str, *, pause_s: float = PAUSE_S, timeout_s: float = TIMEOUT_S
) -> None:
    """Brings a file to `path`, where it appears whole and checked or not at all.

    What comes is kept in `path` with `.part` behind it, and a later call goes on from there.
    Another process that fetches the same file is waited for. A terminal shows how far it is.
    Proxies and certificates are those of the environment (`HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`).

    Args:
        url: Over https; over http from this machine alone.
        path: Where it is to be; nothing happens where it is.
        sha256: Its hash in lower case, or the first digits of it.
        pause_s: Before the second attempt, after one that brought nothing.
        timeout_s: After which a server that sends nothing has broken off.

    Raises:
        FetchError: It cannot be had; one line that says from where and why, without credentials.
    """
    if path.exists():
        return
    if not _may_be_asked(url):
        raise _failure(url, "only https:// is used, and http:// on this machine itself")
    partial = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(path):
            if path.exists():  # the other one has brought it
                return
            resumed = _fetch(url, partial, pause_s, timeout_s)
            if not _is_intact(partial, sha256) and resumed:
                logger.warning("the two parts of %s do not fit: it is fetched anew", path.name)
                partial.unlink()
                _fetch(url, partial, pause_s, timeout_s)
            if not _is_intact(partial, sha256):
                found = hash_file(partial)[: max(len(sha256), 8)]
                partial.unlink()
                raise _failure(
                    url, f"its SHA-256 begins with {found}, not {sha256}; nothing was kept"
                )
            partial.replace(path)
    except FetchError:  # is an OSError, too
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            partial.unlink(missing_ok=True)
        place = error.filename or str(path)
        raise _failure(url, f"{str(place)!r}: {error.strerror or one_line(error)}") from error


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """While the block runs, no other process is in such a block for the same file."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another process is fetching %s, which is waited for", path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch(url: str, partial: Path, pause_s: float, timeout_s: float) -> bool:
    """Completes the partial file; whether there was one before."""
    resumed = partial.exists() and partial.stat().st_size > 0
    idle = 0
    with make_progress(TransferSpeedColumn(), DownloadColumn(), percent=True) as bar:
        task = bar.add_task(partial.stem, total=None)

        def show(have: int, total: int | None) -> None:
            bar.update(task, completed=have, total=total)

        while True:
            had = partial.stat().st_size if partial.exists() else 0
            try:
                _attempt(url, partial, had, timeout_s, show)
                return resumed
            except _BrokenOff as error:
                have = partial.stat().st_size if partial.exists() else 0
                idle = 0 if have > had else idle + 1
                if idle >= ATTEMPTS:
                    raise _failure(url, str(error)) from error
                resumed = True
                logger.info("%s: %s; trying again", partial.stem, error)
                time.sleep(pause_s * 2 ** max(idle - 1, 0) if idle else 0)


def _attempt(
    url: str, partial: Path, had: int, timeout_s: float, show: Callable[[int, int | None], None]
) -> None:
    """One answer of the server into the partial file, from where that ends."""
    headers = {"Accept-Encoding": "identity"}  # compressed, offsets would mean other bytes
    if had:
        headers["Range"] = f"bytes={had}-"
    trusted = os.environ.get("SSL_CERT_FILE") or True  # which Requests does not look at
    with _Session() as session:
        try:
            with session.get(
                url, headers=headers, stream=True, timeout=timeout_s, verify=trusted
            ) as answer:
                if answer.status_code == 416:  # there is no more, or another file
                    if _total(answer) != had:
                        partial.unlink()
                        raise _BrokenOff("what was there before does not belong to it")
                    return
                begin = _check(answer, url, had)
                length = answer.headers.get("Content-Length", "")
                total = begin + int(length) if length.isdigit() else None
                _check_space(url, partial, begin, total)
                with partial.open("r+b" if begin else "wb") as file:
                    file.seek(begin)
                    _receive(answer, url, file, begin, total, show)
        except requests.RequestException as error:
            reason, may_pass = _reason(error, timeout_s)
            if may_pass:
                raise _BrokenOff(reason) from error
            raise _failure(url, reason) from error


def _check(answer: requests.Response, url: str, had: int) -> int:
    """Where in the file the body begins; raises for an answer that is not the file."""
    status = answer.status_code
    if status in _TRY_AGAIN:
        raise _BrokenOff(f"the server answers {status} {answer.reason}")
    if status not in (200, 206):
        raise _failure(url, f"the server answers {status} {answer.reason}")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise _failure(url, "a web page came instead of the file (a login, or a proxy's notice?)")
    if status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {had}-"):
        return had
    if status == 206:
        raise _failure(url, "the server answers with another part than was asked for")
    return 0


def _receive(
    answer: requests.Response,
    url: str,
    file: BinaryIO,
    have: int,
    total: int | None,
    show: Callable[[int, int | None], None],
) -> None:
    show(have, total)
    for chunk in answer.iter_content(CHUNK_BYTES):
        if have == 0 and chunk.lstrip().startswith(b"<"):
            raise _failure(url, "a web page came instead of the file")
        file.write(chunk)
        file.flush()
        have += len(chunk)
        show(have, total)
    file.truncate()
    if total is not None and have < total:
        raise _BrokenOff(f"the connection broke off after {have} of {total} bytes")


def _check_space(url: str, partial: Path, have: int, total: int | None) -> None:
    free = shutil.disk_usage(partial.parent).free
    if total is not None and total - have > free:
        raise _failure(
            url,
            f"it takes {(total - have) / 1e6:.0f} MB more, and {str(partial.parent)!r} has "
            f"{free / 1e6:.0f} MB left",
        )


class _Session(requests.Session):
    """Follows redirects to https alone."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None and urlsplit(urljoin(resp.url, target)).scheme != "https":
            resp.close()
            raise _failure(resp.url, f"it redirects to {redact_url(target)!r}, which is not https")
        return target


def _may_be_asked(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _is_intact(partial: Path, sha256: str) -> bool:
    return hash_file(partial).startswith(sha256)


def _total(answer: requests.Response) -> int | None:
    """The size that an answer 416 speaks of: `Content-Range: bytes */SIZE`."""
    size = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _reason(error: requests.RequestException, timeout_s: float) -> tuple[str, bool]:
    """What went wrong in words of ours, and whether it may pass by itself."""
    if isinstance(error, requests.exceptions.SSLError):
        return (
            "its certificate is not trusted; SSL_CERT_FILE may name that of your own authority",
            False,
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let it through (HTTPS_PROXY, NO_PROXY)", False
    if isinstance(error, requests.exceptions.Timeout):
        return f"the server sent nothing for {timeout_s:g} s", True
    causes = list(_causes(error))
    if any(isinstance(cause, (NameResolutionError, socket.gaierror)) for cause in causes):
        return "its host cannot be found: is there a network?", False
    if any("timed out" in str(cause).lower() for cause in causes):
        return f"the server sent nothing for {timeout_s:g} s", True
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "connection refused", False
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if system and system[-1].errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"{system[-1].strerror}: is there a network?", False
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "the connection broke off", True
    return redact_url(one_line(error)), False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from, as Requests and urllib3 nest them."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
        waiting += [item for item in cause.args if isinstance(item, BaseException)]


def _failure(url: str, reason: str) -> FetchError:
    return FetchError(f"cannot fetch {redact_url(url)}: {reason}")
