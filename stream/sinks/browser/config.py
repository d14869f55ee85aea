"""Where the page is served, and to whom."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from configs.errors import ConfigError, redact_url
from configs.flags import option

_TOKEN_VARIABLE = "POSE_STREAM_TOKEN"
_SHORTEST_TOKEN = 16


@dataclass(frozen=True, kw_only=True)
class BrowserConfig:
    """Whom the browser page is served to, and where it records.

    Attributes:
        token: What browsers must show before the page is served, 16 characters at least; None takes
            it from the environment variable POSE_STREAM_TOKEN. Needed for an address that other
            machines can reach.
        record_folder: Where the page's record button puts videos.
    """

    TITLE: ClassVar[str] = "browser page"

    token: str | None = option(
        None,
        metavar="TEXT",
        secret=True,
        help="what browsers must show before the page is served; needed beyond 127.0.0.1; "
        f"better in ${_TOKEN_VARIABLE}",
    )
    record_folder: Path = option(
        Path("recordings"), metavar="FOLDER", help="where the page's record button puts videos"
    )

    @property
    def secret(self) -> str | None:
        """The token from the flag or the environment.

        Raises:
            ConfigError: It is quickly guessed.
        """
        token = self.token or os.environ.get(_TOKEN_VARIABLE) or None
        if token is not None and len(token) < _SHORTEST_TOKEN:
            raise ConfigError(
                f"token must have at least {_SHORTEST_TOKEN} characters; try one from: openssl "
                "rand -hex 16"
            )
        return token


@dataclass(frozen=True)
class Address:
    """Where to listen, and how the source is called on the page (from the path of the URL, empty
    where there is none).
    """

    host: str
    port: int
    label: str = ""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """What to type into a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def parse_address(url: str, options: BrowserConfig) -> Address:
    """The address in `http://HOST:PORT/LABEL`.

    Raises:
        ConfigError: It is no address, or others than this machine could connect and there is no
            token.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # whose words may hold a part of a password
        raise ConfigError(
            f"{redact_url(url)!r} is not an address to serve a page at: host or port cannot be read"
        ) from None
    if parts.scheme != "http" or not host or port is None or parts.username or parts.query:
        raise ConfigError(
            f"{redact_url(url)!r} is not an address to serve a page at, such as "
            "http://127.0.0.1:8080"
        )
    address = Address(host, port, parts.path.strip("/"))
    if not address.loopback and options.secret is None:
        raise ConfigError(
            f"{address.url} can be reached from other machines: add --token, or serve at "
            f"http://127.0.0.1:{port}"
        )
    return address
