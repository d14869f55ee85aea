"""`--config` and `--print-config`: what a file asks for, and what is wrong with it."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from configs import ConfigError, SourceError
from configs.flags import plain_value
from stream import NamedSource, PipelineConfig, Source, SourceConfig, run
from stream.app.command import Command, parse
from stream.app.config_file import flag_fields
from stream.app.config_text import config_text
from stream.app.json_log import summary_data
from tests.stream.pipeline.parts import CountedSource, MemorySink
from tests.support.blank_engine import BlankEngine
from tests.support.people import nobody
from tests.support.servers import free_port

CAMERAS = """\
sources:
  front:
    address: rtsp://me:${FRONT_PASSWORD}@camera/1
    outputs: [front.jsonl]
    options:
      max_fps: 5
      reconnect: 3
      boxes: true
  yard: 0
outputs: ["{source}.csv"]
options:
  metrics: 127.0.0.1:9464
  stride: 2
  policy: max-age=300ms
  log_format: json
"""


@pytest.fixture
def cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONT_PASSWORD", "geheim")
    path = tmp_path / "cameras.yaml"
    path.write_text(CAMERAS)
    return path


def named(command: Command) -> dict[str, NamedSource]:
    found = {}
    for source in command.sources:
        assert isinstance(source, NamedSource)
        found[source.name] = source
    return found


def test_a_file_names_sources_with_outputs_and_options_of_their_own(cameras: Path) -> None:
    command = parse(["--config", str(cameras)])
    front, yard = named(command).values()
    assert (front.name, front.address) == ("front", "rtsp://me:geheim@camera/1")
    assert (front.outputs, command.outputs) == (["front.jsonl"], ["{source}.csv"])
    assert front.pipeline is not None and front.source is not None and front.render is not None
    assert (front.pipeline.max_fps, front.pipeline.stride) == (5.0, 2), "the rest is the run's"
    assert (front.source.reconnect, front.render.boxes) == (3, True)
    assert (yard.address, yard.outputs, yard.pipeline) == ("0", None, None)
    assert str(command.options["metrics"].metrics) == "127.0.0.1:9464"
    assert str(command.options["pipeline"].policy) == "max-age=300ms"
    assert command.terminal.log_format == "json"


def test_a_file_that_is_not_there_is_told_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml': no such file; --print-config writes one"):
        parse(["--config", str(tmp_path / "gone.yaml")])


def test_the_command_line_wins_over_the_file_and_a_source_over_both(cameras: Path) -> None:
    command = parse(["--config", str(cameras), "--stride", "4", "--max-fps", "9", "-v"])
    front, _ = named(command).values()
    assert (command.options["pipeline"].stride, command.options["pipeline"].max_fps) == (4, 9.0)
    assert front.pipeline is not None
    assert (front.pipeline.stride, front.pipeline.max_fps) == (4, 5.0)
    assert command.terminal.verbose and command.terminal.log_format == "json"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("max_fps: 5", "max_fps: fast", ":6: sources.front.options.max_fps must be a number"),
        (
            "max_fps: 5",
            "max-fps: 5",
            ":6: sources.front.options.max-fps: unknown key, did you mean",
        ),
        ("max_fps: 5", "max_fps: -1", ":6: sources.front.options.max_fps must be positive"),
        ("max_fps: 5", "model: lite", ":6: sources.front.options.model: unknown key"),
        ("max_fps: 5", "batch_window_ms: 5", ":6: sources.front.options.batch_window_ms: unknown"),
        ("stride: 2", "stride: two", ":13: options.stride must be a whole number, not 'two'"),
        ("metrics: 127.0.0.1:9464", "metrics: 9464", ":12: options.metrics must be HOST:PORT"),
        (
            "log_format: json",
            "log_format: jso",
            ":15: options.log_format must be one of text, json",
        ),
        ("policy: max-age=300ms", "polcy: latest", ":14: options.polcy: unknown key, did you mean"),
        (
            "[front.jsonl]",
            "[front.jsonl, out.mp5]",
            ":4: sources.front.outputs[1]: output 'out.mp5'",
        ),
        ("[front.jsonl]", "{a: b}", ":4: sources.front.outputs[0] must be text"),
        ('["{source}.csv"]', '["{source}.cvs"]', ":10: outputs[0]: output 'yard.cvs'"),
        ("yard: 0", "yard:", ":9: sources.yard: needs the address of a source"),
        ("yard: 0", "front-2: {}", ":9: sources.front-2: needs the address of a source"),
        ("yard: 0", "the yard: 0", ":9: sources.the yard: name must be letters"),
        ("yard: 0", "yard: {adress: 0}", ":9: sources.yard: needs the address"),
        ("yard: 0", "yard: {address: 0, output: a}", ":9: sources.yard.output: unknown key"),
        ("yard: 0", "front: 0", ":9: sources.front is there already, in line 2"),
        ("yard: 0", "yard: /nowhere/*.png", ":9: sources.yard: "),
        ("sources:", "cameras:", ":1: cameras: unknown key"),
        ("camera/1", "camera:x/1", ":3: sources.front.address: "),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key_and_without_secrets(
    cameras: Path, before: str, after: str, said: str
) -> None:
    cameras.write_text(CAMERAS.replace(before, after, 1))
    with pytest.raises(ConfigError) as caught:
        parse(["--config", str(cameras)])
    assert str(caught.value).startswith(f"{cameras}{said}"), str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("more", [["clip.mp4"], ["-o", "out.mp4"]])
def test_sources_and_outputs_are_named_in_one_place(cameras: Path, more: list[str]) -> None:
    with pytest.raises(ConfigError, match="named in the file alone"):
        parse(["--config", str(cameras), *more])


def printed(command: Command) -> str:
    return config_text(
        command.sources, command.outputs, {**command.options, "terminal": command.terminal}
    )


def options(command: Command) -> dict[str, dict[str, object]]:
    """Every option, as YAML has it."""
    groups = {**command.options, "terminal": command.terminal}
    return {
        name: {field.name: plain_value(config, field.name) for field in flag_fields(type(config))}
        for name, config in groups.items()
    }


@pytest.mark.parametrize(
    "words",
    [
        "demo",
        "0 rtsp://camera/1 rtsp://camera/2 -o {source}.jsonl {source}.mp4 --max-fps 5.5",
        "demo -o out.mp4 --segment 10m --input-size 448x320 --policy max-age=300ms --no-status",
        "demo -o out.jsonl --device cpu,cpu --scales 1 0.5 --metrics [::1]:0 --track off -q",
        "demo --show -o {source}.jsonl",
        "a\udcff.mp4 -o b\udcff.jsonl",
        "clip.mp4 -o mqtt://broker/a --camera-size 640x480 --boxes --mqtt-rate-hz 0.5",
    ],
)
def test_what_is_printed_asks_for_the_same(tmp_path: Path, words: str) -> None:
    asked = parse([*words.split(), "--print-config"])
    assert asked.print_config
    path = tmp_path / "written.yaml"
    path.write_text(printed(asked))
    loaded = parse(["--config", str(path)])
    assert [source.address for source in named(loaded).values()] == asked.sources
    assert loaded.outputs == asked.outputs
    assert options(loaded) == options(asked)
    assert printed(loaded) == printed(asked)
    # What is commented out is the default: with it in force nothing changes.
    path.write_text(re.sub(r"^  # (\w+: )", r"  \1", printed(asked), flags=re.MULTILINE))
    assert options(parse(["--config", str(path)])) == options(asked)


def test_what_a_file_says_is_printed_again(cameras: Path) -> None:
    asked = parse(["--config", str(cameras)])
    cameras.write_text(printed(asked))
    assert parse(["--config", str(cameras)]) == asked


def test_secrets_are_not_printed_but_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "rtsp://me:gehe%40im@camera:554/1?channel=1&password=gehe2im",
        "-o",
        "rtmp://host/live/gehe3im",
        "mqtt://you:gehe4im@broker/a",
        "--token",
        "gehe5im-gehe5im-gehe5im",
    ]
    asked = parse(words)
    text = printed(asked)
    assert "gehe" not in text
    needed = re.findall(r"# Needs the environment variables (.*)\.", text)[0].split(", ")
    secrets = ("gehe%40im", "gehe2im", "gehe3im", "gehe4im")
    assert len(needed) == len(secrets)
    for name, secret in zip(needed, secrets, strict=True):
        monkeypatch.setenv(name, secret)
    path = tmp_path / "written.yaml"
    path.write_text(text)
    loaded = parse(["--config", str(path)])
    assert [source.address for source in named(loaded).values()] == asked.sources
    assert loaded.outputs == asked.outputs


def test_a_run_heeds_what_its_sources_have_of_their_own(tmp_path: Path) -> None:
    sinks: dict[str, MemorySink] = {}

    def sink(label: str) -> MemorySink:
        return sinks.setdefault(label, MemorySink())

    sources: list[NamedSource | Source] = [
        NamedSource(name="left", address=CountedSource(10), pipeline=PipelineConfig(stride=3)),
        NamedSource(name="right", address=CountedSource(10), outputs=[tmp_path / "r.jsonl"]),
        CountedSource(10, name="left"),
    ]
    run(
        sources,
        sink,
        estimator=BlankEngine(),
        grouper=nobody,
        pipeline=PipelineConfig(frames=4),
    )
    assert sinks["left"].frames == [0, 3, 6, 9]
    assert sinks["left_2"].frames == [0, 1, 2, 3]
    assert list(sinks) == ["left", "left_2"]
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 1 + 4


def test_two_sources_of_one_name_are_refused() -> None:
    twice = [NamedSource(name="a", address=CountedSource(1)) for _ in range(2)]
    with pytest.raises(ConfigError, match="two sources are called 'a'"):
        run(twice, lambda label: MemorySink(), estimator=BlankEngine())


def test_a_window_and_standard_output_are_those_of_sources_too(cameras: Path) -> None:
    cameras.write_text(CAMERAS.replace("[front.jsonl]", '["-"]'))
    front, _ = named(parse(["--config", str(cameras), "--show"])).values()
    assert front.outputs == ["-", "window:"]
    with pytest.raises(ConfigError, match="--benchmark has standard output to itself"):
        parse(["--config", str(cameras), "--benchmark"])


def test_messages_have_the_name_of_a_camera_beside_its_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What follows `?` is taken out of addresses: channels of one recorder have the same."""
    recorder = f"rtsp://127.0.0.1:{free_port()}/live"
    summaries = []
    with caplog.at_level(logging.WARNING), pytest.raises(SourceError) as caught:
        run(
            [
                NamedSource(name="front", address=f"{recorder}?channel=1"),
                f"{recorder}?channel=2",
                CountedSource(3),
            ],
            tmp_path / "{source}.jsonl",
            estimator=BlankEngine(),
            source=SourceConfig(reconnect=0),
            on_end=lambda pipeline: summaries.append(pipeline.summary()),
        )
    assert f"cannot read 'front ({recorder})': connection refused" in caplog.text + str(
        caught.value
    )
    front, other, counted = summary_data(summaries[0])["sources"]
    assert (front["source"], front["name"]) == (recorder, "front")
    assert other["source"] == recorder and other["name"] not in ("", "front")
    assert f"'{other['name']} ({recorder})'" in caplog.text + str(caught.value)
    assert "name" not in counted
