"""Who may see the page and press its buttons."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from stream.sinks.browser.config import Address

COOKIE = "pose_stream"
# A page of another site cannot send this header without asking first, and nobody answers that
# question.
CHANGE_HEADER = "X-Pose-Stream"


class Access:
    """Decides about requests. Without a token only this machine may ask, by a name that is its own
    (no DNS rebinding).
    """

    def __init__(self, address: Address, token: str | None) -> None:
        self._address = address
        self._token = None if token is None else token.encode()
        self._session = hmac.new(
            secrets.token_bytes(32), self._token or b"", hashlib.sha256
        ).hexdigest()

    @property
    def cookie(self) -> str:
        """The header that lets a browser in from now on; it does not hold the token itself."""
        return f"{COOKIE}={self._session}; HttpOnly; SameSite=Strict; Path=/"

    def knows(self, token: str) -> bool:
        """Whether `token` is the right one; takes the same time whatever it is."""
        return self._token is None or hmac.compare_digest(
            token.encode("utf-8", "replace"), self._token
        )

    def admits(self, authorization: str, cookie: str) -> bool:
        """Whether a request with these headers may be answered."""
        if self._token is None:
            return True
        kind, _, token = authorization.partition(" ")
        if kind.lower() == "bearer" and self.knows(token.strip()):
            return True
        try:
            morsel = SimpleCookie(cookie).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(
            morsel.value.encode("utf-8", "replace"), self._session.encode()
        )

    def names_us(self, host: str) -> bool:
        """Whether the Host header is a name of this machine; with a token any name will do."""
        if self._token is not None:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return Address(name, self._address.port).loopback

    def may_change(self, marked: str, origin: str, host: str) -> bool:
        """Whether a request that changes something comes from our own page, or from a program."""
        return marked == "1" and (not origin or urlsplit(origin).netloc == host)
