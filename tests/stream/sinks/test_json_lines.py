"""JSON Lines: the documented schema, complete lines whatever happens."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jsonschema import Draft202012Validator

from configs.errors import SinkError
from grouping import People
from stream.frame import Frame
from stream.sinks.json_lines import JsonLinesSink, frame_record, to_json
from tests.stream.sinks.samples import SCHEMA, VALIDATOR, make_frames, make_people, vfr_stamps


def test_the_schema_is_itself_valid():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("people", [0, 1, 7])
def test_every_line_keeps_to_the_schema(tmp_path, source_info, run_info, write_all, people):
    path = tmp_path / "out.jsonl"
    write_all(JsonLinesSink(str(path)), source_info, run_info, make_frames(vfr_stamps(12)), people)
    header, *frames = [json.loads(line) for line in path.read_text().splitlines()]
    for line in (header, *frames):
        VALIDATOR.validate(line)
    assert header["schema"] == "higherhrnet-stream/records/2"
    assert header["keypoint_names"] == list(run_info.keypoint_set.names)
    assert (header["model"], header["source"], header["size"], header["fps"]) == (
        "lite",
        "camera",
        [96, 64],
        25.0,
    )
    assert [frame["frame"] for frame in frames] == list(range(12))
    assert all(set(frame) == {"frame", "time_s", "people", "latency_ms"} for frame in frames)
    assert all(len(frame["people"]) == people for frame in frames)


def test_people_come_back_as_they_went_in(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.jsonl"
    write_all(JsonLinesSink(str(path)), source_info, run_info, make_frames([0]), 3)
    people = make_people(3, seed=0)
    [written] = [json.loads(line)["people"] for line in path.read_text().splitlines()[1:]]
    keypoints = np.array([person["keypoints"] for person in written])
    found = people.keypoints[..., 2] > 0
    np.testing.assert_allclose(keypoints[found], people.keypoints[found], atol=0.0051)
    assert (keypoints[~found] == 0).all()
    np.testing.assert_allclose([person["box"] for person in written], people.boxes, atol=0.0151)


@given(hnp.arrays(np.float32, (2, 17, 3), elements=st.floats(width=32)))
def test_whatever_the_numbers_are_the_line_is_valid_json(keypoints):
    people = People(keypoints, np.float32([0.5, np.nan]), np.zeros((2, 1), np.float32))
    frame = Frame(
        image=np.zeros((1, 1, 3), np.uint8), source="x", index=0, time_s=0.0, capture_ns=0
    )
    line = to_json(frame_record(frame, people, latency_ms=1.0, drops=0))
    VALIDATOR.validate(
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    )


def test_drops_are_named_once_there_are_any(source_info):
    frame = next(make_frames([0]))
    record = frame_record(frame, make_people(1), latency_ms=1.0, drops=3)
    VALIDATOR.validate(record)
    assert record["drops"] == 3


def test_standard_output_is_an_output(source_info, run_info, write_all, capfd):
    write_all(JsonLinesSink("-"), source_info, run_info, make_frames(vfr_stamps(3)))
    assert len([json.loads(line) for line in capfd.readouterr().out.splitlines()]) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs a FIFO")
def test_a_reader_that_leaves_is_one_line(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = JsonLinesSink(str(path))
    sink.open(source_info, run_info)
    os.close(reader)
    with pytest.raises(SinkError, match="what read it has ended"):
        write_all_frames(sink)
    sink.close()


def write_all_frames(sink):
    for frame in make_frames(vfr_stamps(3)):
        sink.write(frame, make_people(1), None, latency_ms=1.0, drops=0)


def test_a_line_that_went_in_half_is_taken_out(tmp_path, source_info, run_info, monkeypatch):
    path = tmp_path / "out.jsonl"
    sink = JsonLinesSink(str(path))
    sink.open(replace(source_info, name="x"), run_info)
    write_all_frames(sink)
    before = path.read_bytes()
    real, calls = os.write, []

    def short_then_full(file, data):
        calls.append(len(data))
        if len(calls) == 1:
            return real(file, data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", short_then_full)
    with pytest.raises(SinkError, match="No space left on device"):
        write_all_frames(sink)
    monkeypatch.undo()
    sink.close()
    assert path.read_bytes() == before
    assert all(json.loads(line) for line in io.BytesIO(before))
