"""People as messages, through a real broker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs import ConfigError, RuntimeUnavailableError, SinkError
from stream.frame import Frame, SourceInfo
from stream.pipeline.outlet import Outlet
from stream.sinks import MqttConfig, RunInfo
from stream.sinks.mqtt import MqttSink, connection
from stream.sinks.mqtt import sink as sink_module
from stream.sinks.mqtt.config import parse_target
from tests.stream.sinks.samples import VALIDATOR, make_frames, make_people
from tests.support.commands import ENVIRONMENT, ROOT, command
from tests.support.mqtt_broker import Broker, Listener
from tests.support.servers import free_port
from tests.support.waiting import LIMIT_S, measured, until, within

pytest.importorskip("paho.mqtt.client")
FINISH_S = connection._FINISH_S  # noqa: SLF001 - what the end may take at most


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker has as long to answer, and to take the farewell, as the machine takes."""
    monkeypatch.setattr(sink_module, "CONNECT_S", LIMIT_S)
    monkeypatch.setattr(connection, "_FINISH_S", LIMIT_S)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as found:
        yield found


@pytest.fixture
def live(source_info: SourceInfo) -> SourceInfo:
    return SourceInfo(
        name=source_info.name, width=source_info.width, height=source_info.height, live=True
    )


@pytest.fixture
def frame() -> Frame:
    return next(make_frames([0, 3003]))


def write(sink: MqttSink, frame: Frame, people: int = 2) -> None:
    sink.write(frame, make_people(people), None, latency_ms=1.5, drops=0)


def test_people_come_at_a_limited_rate_and_the_rest_is_there_for_who_comes_later(
    broker: Broker, source_info: SourceInfo, run_info: RunInfo
) -> None:
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/home/front", MqttConfig(mqtt_rate_hz=10))
    with Listener(broker.port) as listener:
        sink.open(source_info, run_info)
        began_s = time.monotonic()
        for frame in make_frames([number * 900 for number in range(100)]):
            write(sink, frame, people=3 if frame.index < 50 else 1)
            time.sleep(0.005)
        spent_s = time.monotonic() - began_s
        until(lambda: listener.texts("home/front/count")[-1:] == ["1"], "the last count is told")
        with Listener(broker.port) as late:
            until(lambda: len(late.messages) == 3, "all that is retained came")
            assert sorted(late.messages) == [
                ("home/front/count", "1", True),
                ("home/front/info", listener.texts("home/front/info")[0], True),
                ("home/front/state", "online", True),
            ]
        sink.close()
        sink.close()
        until(lambda: listener.texts("home/front/state")[-1] == "offline", "it is offline")
    records = [json.loads(text) for text in listener.texts("home/front/people")]
    assert 3 <= len(records) <= spent_s * 10 + 1
    assert listener.texts("home/front/count") == ["3", "1"]
    for record in [json.loads(listener.texts("home/front/info")[0]), *records]:
        VALIDATOR.validate(record)
    assert [len(record["people"]) for record in records[:1] + records[-1:]] == [3, 1]
    assert sink.dropped == 0


@measured
def test_a_broker_that_is_gone_holds_nobody_up_and_is_told_all_again_when_it_is_back(
    broker: Broker,
    live: SourceInfo,
    run_info: RunInfo,
    frame: Frame,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/front", MqttConfig(mqtt_rate_hz=1000))
    sink.open(live, run_info)
    try:
        write(sink, frame)
        broker.kill()
        until(lambda: "the broker is gone" in caplog.text, "the loss is told")
        with within(2):
            for _ in range(20):
                write(sink, frame, people=4)
                time.sleep(0.002)
        assert sink.dropped == 20
        broker.start()
        until(lambda: "is connected again" in caplog.text, "the return is told")
        with Listener(broker.port) as listener:
            until(lambda: len(listener.messages) >= 3, "all is told again")
            assert listener.texts("front/state") == ["online"]
            assert listener.texts("front/count") == ["4"]
            write(sink, frame, people=4)
            until(lambda: listener.texts("front/people"), "people come")
    finally:
        sink.close()
    assert sink.dropped == 20


def test_a_camera_that_is_silent_is_called_stalled(
    broker: Broker, live: SourceInfo, run_info: RunInfo, frame: Frame
) -> None:
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/front", stalled_s=0.3)
    sink.open(live, run_info)
    with Listener(broker.port) as listener:
        write(sink, frame)
        until(lambda: "stalled" in listener.texts("front/state"), "it is called stalled")
        told = len(listener.texts("front/state"))
        write(sink, frame)
        until(lambda: "online" in listener.texts("front/state")[told:], "it is online again")
        sink.close()
        until(lambda: listener.texts("front/state")[-1:] == ["offline"], "it is offline")


def test_a_process_that_is_killed_is_offline(tmp_path: Path) -> None:
    with (
        Broker(tmp_path, user="pose:geheim") as broker,
        Listener(broker.port, "pose:geheim") as listener,
    ):
        address = f"mqtt://pose@127.0.0.1:{broker.port}/cameras/{{source}}"
        words = command("test", "-o", address, "-v", "--mqtt-rate-hz", "20", engine="blank")
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**ENVIRONMENT, "POSE_STREAM_MQTT_PASSWORD": "geheim"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            until(lambda: len(listener.texts("cameras/test/people")) > 2, "people come")
            assert listener.texts("cameras/test/state") == ["online"]
        finally:
            process.send_signal(signal.SIGKILL)
            _, errors = process.communicate()
        until(lambda: listener.texts("cameras/test/state")[-1] == "offline", "it is offline")
        with Listener(broker.port, "pose:geheim") as late:
            until(lambda: len(late.messages) == 3, "all that is retained came")
            assert ("cameras/test/state", "offline", True) in late.messages
    everything = errors + "".join(f"{topic} {text}" for topic, text, _ in listener.messages)
    assert "geheim" not in everything


def test_a_wrong_password_is_an_error_that_does_not_say_it(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo
) -> None:
    with Broker(tmp_path, user="pose:geheim") as broker:
        sink = MqttSink(f"mqtt://pose:falsch@127.0.0.1:{broker.port}/front")
        with pytest.raises(SinkError, match=r"'mqtt://127.*/front': not authorized$") as caught:
            sink.open(source_info, run_info)
        sink.close()
    assert "falsch" not in str(caught.value)


def test_a_broker_that_is_not_there_is_said(source_info: SourceInfo, run_info: RunInfo) -> None:
    sink = MqttSink(f"mqtt://127.0.0.1:{free_port()}/front")
    with pytest.raises(SinkError, match=r"cannot publish to 'mqtt://127.*/front': .*refused"):
        sink.open(source_info, run_info)
    sink.close()


def test_a_broker_that_was_away_when_a_camera_came_is_asked_again(
    tmp_path: Path, live: SourceInfo, run_info: RunInfo, frame: Frame
) -> None:
    broker = Broker(tmp_path)
    outlet = Outlet(MqttSink(f"mqtt://127.0.0.1:{broker.port}/late"), live=True)
    outlet.open_late(live, run_info)
    assert "refused" in str(outlet.failure) and not outlet.gone
    with broker:

        def through() -> bool:
            outlet.write(frame, make_people(1), None, latency_ms=1.5, drops=0)
            return outlet.failure is None

        until(through, "the broker is there")
        with Listener(broker.port) as listener:
            until(lambda: listener.texts("late/count") == ["1"], "people are counted")
        outlet.close(complete=True)


@measured
def test_a_broker_that_does_not_answer_any_more_holds_up_the_end_for_seconds_at_most(
    broker: Broker,
    live: SourceInfo,
    run_info: RunInfo,
    frame: Frame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "_FINISH_S", FINISH_S)
    sink = MqttSink(f"mqtt://127.0.0.1:{broker.port}/front")
    sink.open(live, run_info)
    broker.signal(signal.SIGSTOP)
    write(sink, frame)
    with within(6):
        sink.close()
    broker.signal(signal.SIGCONT)


# paho drops the socket of a handshake that failed without closing it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_is_checked(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo, frame: Frame
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=broker"
    words = [*make.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run([*words, "-out", str(certificate)], check=True, capture_output=True)
    with Broker(tmp_path, certificate=(key, certificate)) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}/front"
        stranger = MqttSink(url)
        with pytest.raises(SinkError, match=r"certificate is not accepted \(self.signed"):
            stranger.open(source_info, run_info)
        stranger.close()
        sink = MqttSink(url, MqttConfig(mqtt_ca=certificate))
        sink.open(source_info, run_info)
        write(sink, frame)
        sink.close()
        assert sink.dropped == 0
    with pytest.raises(ConfigError, match=r"^--mqtt-ca '.*gone\.pem' cannot be used: No such file"):
        MqttSink(url, MqttConfig(mqtt_ca=tmp_path / "gone.pem"))


def test_an_address_says_who_where_and_what(monkeypatch: pytest.MonkeyPatch) -> None:
    target = parse_target("mqtts://me:p%40ss%2F@broker:8884/a/b%20c/")
    assert (target.user, target.password, target.port) == ("me", "p@ss/", 8884)
    assert (target.topic, target.encrypted) == ("a/b c", True)
    assert str(target) == "mqtts://broker:8884/a/b c" and "p@ss" not in repr(target)
    plain = parse_target("mqtt://[::1]/front")
    assert (plain.host, plain.port, plain.user, plain.password) == ("::1", 1883, None, None)
    assert str(plain) == "mqtt://[::1]:1883/front"
    monkeypatch.setenv("POSE_STREAM_MQTT_USER", "you")
    monkeypatch.setenv("POSE_STREAM_MQTT_PASSWORD", "secret")
    asked = parse_target("mqtt://broker/front")
    assert (asked.user, asked.password) == ("you", "secret")
    named = parse_target("mqtt://me@broker/front")
    assert (named.user, named.password) == ("me", "secret")


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://broker",
        "mqtt://broker/",
        "mqtt:///topic",
        "mqtt://broker/a/+/b",
        "mqtt://broker/a%23",
        "mqtt://broker/$SYS/a",
        "mqtt://me:geheim@broker:port/a",
        "mqtt://me:geheim@broker/a?b=c",
        "mqtt:me:geheim@broker/a",
    ],
)
def test_what_is_no_topic_is_refused_without_a_password(url: str) -> None:
    with pytest.raises(ConfigError, match="MQTT topic") as caught:
        parse_target(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, 1001.0, float("nan")])
def test_a_rate_that_cannot_be_is_refused(rate_hz: float) -> None:
    with pytest.raises(ConfigError, match=r"^mqtt_rate_hz must be more than 0"):
        MqttConfig(mqtt_rate_hz=rate_hz)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'higherhrnet-stream\[mqtt\]'"):
        MqttSink("mqtt://broker/front")
