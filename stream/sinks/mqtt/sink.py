"""The sink behind `-o mqtt://`."""

from __future__ import annotations

import threading
import time
from functools import partial

import numpy as np
from numpy.typing import NDArray

from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.json_lines import frame_record, header, origin, to_json
from stream.sinks.mqtt.config import MqttConfig, parse_target
from stream.sinks.mqtt.connection import CONNECT_S, BrokerConnection

ONLINE, STALLED, OFFLINE = "online", "stalled", "offline"
_AGAIN_S = 1.0  # for a broker to answer, where the first try failed
STALLED_S = 5.0  # as long as a camera may be silent before it is connected again


class MqttSink:
    """Publishes who is there, at a limited rate.

    Below the topic, all but `people` retained, so that who subscribes later knows at once:

        state   online; stalled while no frames come; offline, also where the process was killed
        count   how many people there are, whenever that has changed
        people  the record of a frame, as in JSON Lines
        info    the header of JSON Lines: model, names of the joints, size

    A broker that cannot be reached, or refuses, when the run begins is an error; one that is lost,
    or away when a camera comes later, is asked again for as long as the run lasts.

    Args:
        url: `mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC`.
        options: How often.
        stalled_s: After how long without a frame the source is called stalled.

    Attributes:
        label: Broker and topic without credentials.
        place: Broker and topic: two sources there would tell each other's counts, and the first
            that ends would call both offline.
        dropped: Records that were due while the broker was away.
        resumable: Whether it may be opened again where that failed.

    Raises:
        ConfigError: It is no such address.
        RuntimeUnavailableError: `paho-mqtt` is not installed.
    """

    needs_image = False
    resumable = True

    def __init__(
        self, url: str, options: MqttConfig | None = None, *, stalled_s: float = STALLED_S
    ) -> None:
        options = options or MqttConfig()
        target = parse_target(url)
        self.label = str(target)
        self.place = target.place
        self.dropped = 0
        self._topic = target.topic
        self._period_s = 1 / options.mqtt_rate_hz
        self._stalled_s = stalled_s
        self._connect = partial(
            BrokerConnection,
            target,
            ca=options.mqtt_ca,
            will=(f"{self._topic}/state", OFFLINE),
            on_connect=self._repeat,
        )
        self._connection = self._connect()
        self._source: SourceInfo | None = None
        self._info = ""
        self._lock = threading.Lock()  # of the state: two threads may change it
        self._state = ONLINE
        self._count: int | None = None
        self._due_s = 0.0
        self._last_s = 0.0
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Connects to the broker.

        Raises:
            SinkError: It cannot be reached, or refuses.
        """
        again = self._source is not None
        self._source = source
        self._info = to_json(header(source, run))
        self._last_s = time.monotonic()
        if again:  # other sources are at work, and the thread that asks is theirs, too
            self._connection = self._connect()
        self._connection.open(_AGAIN_S if again else CONNECT_S)
        if source.live:
            name = f"state of {self.label}"
            self._watcher = threading.Thread(target=self._watch, name=name, daemon=True)
            self._watcher.start()

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Publishes the frame if it is time for one."""
        now_s = self._last_s = time.monotonic()
        if self._state != ONLINE:
            self._enter(ONLINE)
        if now_s < self._due_s:
            return
        self._due_s = now_s + self._period_s
        record = frame_record(frame, people, latency_ms=latency_ms, drops=drops)
        if self._source is not None:
            record |= origin(frame, self._source)
        if len(people) != self._count:
            self._count = len(people)
            self._connection.publish(f"{self._topic}/count", str(self._count), retain=True)
        if not self._connection.publish(f"{self._topic}/people", to_json(record)):
            self.dropped += 1

    def close(self) -> None:
        """Says that the source is offline and leaves; a second call does nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._watcher is not None:
            self._watcher.join()
        if self._source is not None:
            self._connection.close((f"{self._topic}/state", OFFLINE))

    def _watch(self) -> None:
        """Tells when frames stop coming: nobody calls `write` then."""
        while not self._closed.wait(self._stalled_s / 5):
            if self._state == ONLINE and time.monotonic() - self._last_s > self._stalled_s:
                self._enter(STALLED)

    def _enter(self, state: str) -> None:
        with self._lock:
            self._state = state
            self._connection.publish(f"{self._topic}/state", state, retain=True)

    def _repeat(self) -> None:
        """The connection is there, maybe to a broker that has forgotten what was retained."""
        self._connection.publish(f"{self._topic}/info", self._info, retain=True)
        if self._count is not None:
            self._connection.publish(f"{self._topic}/count", str(self._count), retain=True)
        self._enter(self._state)
