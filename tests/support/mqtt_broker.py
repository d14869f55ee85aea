"""A real MQTT broker, Debian's mosquitto, and somebody who listens."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.servers import free_port
from tests.support.waiting import happened, until


class Broker:
    """Mosquitto in a process of its own, which can be killed and started again at its port.

    user: NAME:PASSWORD that it wants; anybody may come without. certificate: files of a key and a
    certificate, for TLS.
    """

    def __init__(
        self, folder: Path, *, user: str = "", certificate: tuple[Path, Path] | None = None
    ) -> None:
        found = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if found is None:
            pytest.skip("needs Debian's mosquitto: there is no MQTT broker to talk to")
        self.port = free_port()
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "user root"]
        lines.append(f"allow_anonymous {'false' if user else 'true'}")
        if user:
            passwords = folder / "passwords"
            passwords.write_text(f"{user}\n")
            subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
            lines.append(f"password_file {passwords}")
        if certificate is not None:
            lines += [f"keyfile {certificate[0]}", f"certfile {certificate[1]}"]
        configuration = folder / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n")
        self._command = [found, "-c", str(configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers, "the broker answers")

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: what was retained is gone, too."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


class Listener:
    """Somebody who has subscribed to everything.

    messages: topic, text, and whether it was retained from before, in order.
    """

    def __init__(self, port: int, user: str = "") -> None:
        mqtt = pytest.importorskip("paho.mqtt.client")
        self.messages: list[tuple[str, str, bool]] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if user:
            self._client.username_pw_set(*user.split(":"))
        self._client.on_message = lambda client, data, message: self.messages.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        subscribed = threading.Event()
        self._client.on_connect = lambda client, *rest: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *answer: subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        happened(subscribed, "somebody listens")

    def texts(self, topic: str) -> list[str]:
        """What came on a topic, in order."""
        return [text for name, text, _ in list(self.messages) if name == topic]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
