"""Identities in every record: theirs where people are known, none where they are not."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from grouping import People
from stream.frame import SourceInfo
from stream.sinks import RunInfo, Sink, make_sinks
from tests.stream.sinks.samples import make_frames, make_people, vfr_stamps

SCHEMA = Path(__file__).resolve().parents[3] / "stream" / "schema" / "records.schema.json"


def write_two(sink: Sink, source: SourceInfo, run: RunInfo, *, tracked: bool = True) -> People:
    """One frame of two people, of whom the first is known as 7."""
    people = make_people(2, seed=1)
    if tracked:
        people = replace(people, ids=np.array([7, -1]))
    [frame] = make_frames(vfr_stamps(1))
    sink.open(source, run)
    sink.write(frame, people, None, latency_ms=1.0, drops=0)
    sink.close()
    return people


@pytest.mark.parametrize("tracked", [True, False])
def test_json_lines_name_people_and_keep_to_the_schema(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo, tracked: bool
) -> None:
    path = tmp_path / "out.jsonl"
    write_two(make_sinks([str(path)])[0], source_info, run_info, tracked=tracked)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        jsonschema.validate(line, json.loads(SCHEMA.read_text()))
    names = [person.get("id", "absent") for person in lines[1]["people"]]
    assert names == ([7, None] if tracked else ["absent", "absent"])


def test_a_table_has_a_column_of_identities(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo
) -> None:
    path = tmp_path / "out.csv"
    write_two(make_sinks([str(path)])[0], source_info, run_info)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert {(row["person"], row["id"]) for row in rows} == {("0", "7"), ("1", "")}


def test_coco_results_have_a_track_id_where_people_are_known(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo
) -> None:
    path = tmp_path / "out.json"
    write_two(make_sinks([str(path)])[0], source_info, run_info)
    first, second = json.loads(path.read_text())
    assert first["track_id"] == 7
    assert "track_id" not in second


def test_openpose_files_have_a_person_id(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo
) -> None:
    write_two(make_sinks([f"openpose:{tmp_path / 'out'}"])[0], source_info, run_info)
    [path] = (tmp_path / "out").glob("*.json")
    people = json.loads(path.read_text())["people"]
    assert [person["person_id"] for person in people] == [[7], [-1]]


@pytest.mark.parametrize("tracked", [True, False])
def test_arrays_have_an_identity_per_person(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo, tracked: bool
) -> None:
    path = tmp_path / "out.npz"
    write_two(make_sinks([str(path)])[0], source_info, run_info, tracked=tracked)
    with np.load(path) as arrays:
        assert arrays["ids"].tolist() == ([7, -1] if tracked else [-1, -1])
        assert arrays["ids"].dtype == np.int64


def test_motchallenge_text_has_a_line_for_everybody_who_is_known(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo
) -> None:
    path = tmp_path / "out.txt"
    people = write_two(make_sinks([f"mot:{path}"])[0], source_info, run_info)
    [line] = path.read_text().splitlines()
    frame, identity, left, top, width, height, score, *rest = map(float, line.split(","))
    assert (frame, identity, rest) == (1, 7, [-1, -1, -1])
    assert score == pytest.approx(people.scores[0], abs=1e-4)
    joints = people.boxes[0].astype(float)
    assert left == pytest.approx(joints[0] - 0.35 * joints[2], abs=0.02)
    assert top == pytest.approx(joints[1] - 0.12 * joints[3], abs=0.02)
    assert (width, height) == pytest.approx((1.7 * joints[2], 1.2 * joints[3]), abs=0.03)


def test_motchallenge_text_of_a_run_without_identities_is_empty(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo
) -> None:
    path = tmp_path / "out.txt"
    write_two(make_sinks([f"mot:{path}"])[0], source_info, run_info, tracked=False)
    assert path.read_text() == ""
