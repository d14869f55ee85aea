"""A connection to an MQTT broker that comes back whenever it is lost."""

from __future__ import annotations

import logging
import secrets
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from basics.packages import import_package
from configs.errors import ConfigError, SinkError
from stream.backoff import LONGEST_WAIT_S
from stream.sinks.mqtt.config import Target

logger = logging.getLogger(__name__)

CONNECT_S = 5.0
_KEEPALIVE_S = 15  # the will is published one and a half times that after a power cut
_FINISH_S = 2.0
_LEAVE_S = 0.2


class BrokerConnection:
    """Publishes to a broker without ever waiting for it.

    A thread of paho's own keeps the connection and makes it again; what is published meanwhile is
    not kept.

    Args:
        target: The broker, and who asks.
        ca: Certificates that a broker's must be signed by; None is those of the system.
        will: Topic and text that the broker publishes, retained, once this process is gone.
        on_connect: Called in paho's thread, each time that the connection is there.

    Raises:
        RuntimeUnavailableError: `paho-mqtt` is not installed.
    """

    def __init__(
        self,
        target: Target,
        *,
        ca: Path | None,
        will: tuple[str, str],
        on_connect: Callable[[], None],
    ) -> None:
        mqtt = import_package("paho.mqtt.client", "higherhrnet-stream[mqtt]", "-o mqtt://")
        self._target = target
        self._on_connect = on_connect
        self._answered = threading.Event()
        self._refusal = ""
        self._refused = False  # and said so
        self._closing = False
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"pose-stream-{secrets.token_hex(6)}"
        )
        client.reconnect_delay_set(1, round(LONGEST_WAIT_S))
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.will_set(*will, qos=1, retain=True)
        if target.user is not None:
            client.username_pw_set(target.user, target.password)
        if target.encrypted:
            try:
                client.tls_set(ca_certs=None if ca is None else str(ca))
            except OSError as error:  # ssl.SSLError is one
                raise ConfigError(
                    f"--mqtt-ca {str(ca)!r} cannot be used: {error.strerror or error}"
                ) from error
        self._client: Any = client  # None once it is closed

    @property
    def up(self) -> bool:
        """Whether the broker can be reached now, as far as anybody knows."""
        client = self._client  # `close` may be in another thread
        return client is not None and bool(client.is_connected())

    def open(self, limit_s: float = CONNECT_S) -> None:
        """Connects, and waits until the broker has answered. Can be called once.

        Args:
            limit_s: How long to wait, for the network and then for the broker.

        Raises:
            SinkError: It cannot be reached, or refuses.
        """
        self._client.connect_timeout = limit_s
        try:
            self._client.connect(self._target.host, self._target.port, keepalive=_KEEPALIVE_S)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise self._error(
                f"its certificate is not accepted ({error.verify_message})"
            ) from error
        except (OSError, ValueError) as error:
            self.close()
            raise self._error(getattr(error, "strerror", None) or str(error)) from error
        self._client.loop_start()
        answered = self._answered.wait(limit_s)
        if not answered or self._refusal:
            self.close()
            raise self._error(self._refusal or f"no answer within {limit_s:g} s")

    def publish(self, topic: str, text: str, *, retain: bool = False) -> bool:
        """Sends a message if the broker can be reached; whether it could."""
        client = self._client
        if client is None or not client.is_connected():
            return False
        return bool(client.publish(topic, text, qos=0, retain=retain).rc == 0)

    def close(self, last: tuple[str, str] | None = None) -> None:
        """Ends the connection, so that no will is published.

        Args:
            last: Topic and text of a last, retained message, which the broker has before this
                returns, if it can be reached.
        """
        self._closing = True
        up = self.up
        client, self._client = self._client, None
        if client is None:
            return
        if last is not None and up:
            sent = client.publish(*last, qos=1, retain=True)
            if sent.rc == 0:
                sent.wait_for_publish(_FINISH_S)
        client.disconnect()
        # paho's thread may be in the middle of connecting to a machine that does not answer: it
        # ends by itself after that.
        stopper = threading.Thread(target=_stop, args=(client,), daemon=True)
        del client  # its own sockets are closed when nobody has it any more
        stopper.start()
        stopper.join(_FINISH_S if up else _LEAVE_S)

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = str(reason).lower()
            if self._answered.is_set() and not self._refused:
                logger.warning("%s; trying again", self._error(self._refusal))
            self._refused = True
        else:
            self._refusal, self._refused = "", False
            if self._answered.is_set():
                logger.warning("'%s' is connected again", self._target)
            self._on_connect()
        self._answered.set()

    def _disconnected(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if not self._closing and not self._refusal:
            logger.warning("'%s': the broker is gone (%s); trying again", self._target, reason)

    def _error(self, reason: str) -> SinkError:
        return SinkError(f"cannot publish to '{self._target}': {reason}")


def _stop(client: Any) -> None:
    client.loop_stop()
    client.on_connect = client.on_disconnect = None
    connection = client.socket()
    if connection is not None:  # one that was made again meanwhile
        connection.close()
