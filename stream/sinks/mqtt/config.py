"""Which broker, which topic, and how often."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from configs.errors import ConfigError, redact_url
from configs.flags import option

_USER_VARIABLE, _PASSWORD_VARIABLE = "POSE_STREAM_MQTT_USER", "POSE_STREAM_MQTT_PASSWORD"
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST_TOPIC_BYTES = 65_000  # the protocol's limit is 65,535, and a level is added


@dataclass(frozen=True, kw_only=True)
class MqttConfig:
    """How messages are sent to an MQTT broker.

    Attributes:
        mqtt_rate_hz: How many records of each source are sent in a second at most.
        mqtt_ca: Certificates that a broker's must be signed by, in PEM, for `mqtts://`; None is
            those of the system.

    Raises:
        ConfigError: The rate is out of range.
    """

    TITLE: ClassVar[str] = "MQTT"

    mqtt_rate_hz: float = option(
        1.0, metavar="HZ", help="messages with people a second at most, for each source"
    )
    mqtt_ca: Path | None = option(
        None,
        metavar="FILE",
        help="certificates that the broker's must be signed by, for mqtts://; default: the "
        "system's",
    )

    def __post_init__(self) -> None:
        if not 0 < self.mqtt_rate_hz <= 1000:
            raise ConfigError(
                f"mqtt_rate_hz must be more than 0 and at most 1000, not {self.mqtt_rate_hz:g}"
            )


@dataclass(frozen=True, kw_only=True)
class Target:
    """A topic on a broker; `str` writes it without credentials.

    Attributes:
        host: Name or address of the broker.
        port: Where it listens.
        topic: What messages are published below.
        encrypted: Whether TLS is spoken.
        user: Who asks; None for anybody.
        password: Their password.
    """

    host: str
    port: int
    topic: str
    encrypted: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def place(self) -> tuple[str, int | None, str]:
        """Equal for addresses of one topic on one broker, as far as they themselves tell: TLS, its
        port and the names of this machine make no other one of it.
        """
        usual = self.port == _PORTS["mqtts" if self.encrypted else "mqtt"]
        host = "localhost" if self.host in _THIS_MACHINE else self.host
        return host, None if usual else self.port, self.topic

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{host}:{self.port}/{self.topic}"


def parse_target(url: str) -> Target:
    """The topic in `mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC`, or `mqtts://` for TLS.

    Where the address has no user, the environment variables POSE_STREAM_MQTT_USER and
    POSE_STREAM_MQTT_PASSWORD are asked; for a user without a password the second one is.

    Raises:
        ConfigError: It is anything else.
    """
    if "://" not in url:  # what is before an @ may be a password, and would not be known for one
        raise ConfigError("an MQTT topic is written with two slashes: mqtt://broker/cameras/front")
    shown = redact_url(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # whose words may hold a part of a password
        raise ConfigError(f"{shown!r} is no MQTT topic: host or port cannot be read") from None
    topic = unquote(parts.path.strip("/"))
    if parts.scheme not in _PORTS or not host or not topic or parts.query or parts.fragment:
        raise ConfigError(f"{shown!r} is no MQTT topic, such as mqtt://broker/cameras/front")
    if re.search(r"[+#\x00-\x1f]", topic) or topic.startswith("$"):
        raise ConfigError(
            f"{shown!r} is no MQTT topic that can be published to: + and #, which are for those "
            "who listen, $ at its beginning and control characters cannot be in it"
        )
    if len(topic.encode()) > _LONGEST_TOPIC_BYTES:
        raise ConfigError(f"an MQTT topic has at most {_LONGEST_TOPIC_BYTES} bytes")
    user = os.environ.get(_USER_VARIABLE) if parts.username is None else unquote(parts.username)
    password = os.environ.get(_PASSWORD_VARIABLE) if user else None
    return Target(
        host=host,
        port=_PORTS[parts.scheme] if port is None else port,
        topic=topic,
        encrypted=parts.scheme == "mqtts",
        user=user or None,
        password=password if parts.password is None else unquote(parts.password),
    )
