"""The sink for what stands after `-o`."""

from __future__ import annotations

import pytest

from configs.errors import ConfigError
from stream.sinks import make_sinks


def test_suffixes_and_prefixes_choose_the_sink():
    outputs = ["a.mp4", "b.MKV", "c.jsonl", "jsonl:d.txt", "-"]
    names = [type(sink).__name__ for sink in make_sinks(outputs)]
    assert names == ["VideoSink", "VideoSink", "JsonLinesSink", "JsonLinesSink", "JsonLinesSink"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out.mp5", "did you mean '.mp4'"),
        ("out", "known: .*.jsonl, .*.mp4"),
        ("jsnl:out", "did you mean 'jsonl'"),
        ("ftp://user:secret@host/out", r"ftp://\*\*\*@host"),
    ],
)
def test_unknown_outputs_name_what_is_known(output, message):
    with pytest.raises(ConfigError, match=message) as error:
        make_sinks([output])
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_an_output_named_twice_is_refused():
    with pytest.raises(ConfigError, match="named twice"):
        make_sinks(["a.mp4", "b.mp4", "a.mp4"])
