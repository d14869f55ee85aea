import json
from importlib import resources

import jsonschema
import numpy as np
import pytest

from stream.pipeline.summary import Summary
from stream.profile.document import ProfileDocument, RateFigures
from stream.profile.figures import RunFacts, document
from stream.profile.session import benchmark_line
from tests.stream.profile.runs import ENVIRONMENT, FACTS, KnownRun, a_run, machine

SCHEMA = json.loads(
    resources.files("stream.profile").joinpath("schema.json").read_text(encoding="utf-8")
)


def figures_of(run: KnownRun, elapsed_s: float, **options) -> dict:
    return document(
        FACTS,
        run.summary(elapsed_s, **options),
        run.timings,
        run.recorder,
        machine(run),
        ENVIRONMENT,
    )


def test_known_times_give_the_right_figures() -> None:
    run = KnownRun()
    for index in range(100):
        run.frame(index * 50, index=index, people=index % 4, decode=4, infer=30, group=2, write=1)
    found = figures_of(run, 5.0, drops={"superseded": 25})
    stages = {stage["name"]: stage for stage in found["stages"]}
    for name, length_ms in (("decode", 4), ("infer", 30), ("group", 2), ("write", 1)):
        for figure in ("mean", "p50", "p95", "p99", "max"):
            assert stages[name][figure] == pytest.approx(length_ms, rel=1e-6)
        assert stages[name]["busy_share"] == pytest.approx(length_ms / 50, rel=1e-6)
        assert stages[name]["n"] == 100
    assert found["latency_ms"]["p50"] == pytest.approx(37)
    assert (found["fps_out"], found["fps_in"]) == (pytest.approx(20), pytest.approx(25))
    assert found["fps_steady"] == pytest.approx(20)
    assert found["people_per_frame"]["mean"] == pytest.approx(1.5)
    assert found["run"]["outcome"] == "finished"
    assert found["sources"][0]["drops"] == found["drops"] == {"superseded": 25}
    assert [entry["people"] for entry in found["grouping_by_people"]] == [0, 1, 2, 3]
    assert all(entry["p50"] == pytest.approx(2) for entry in found["grouping_by_people"])


def test_every_percentile_is_that_of_numpy_on_the_raw_data() -> None:
    run = a_run(500)
    found = figures_of(run, 20.0)
    rows = run.recorder.works["infer"].kept()
    raw = {"infer": (rows["end_ns"] - rows["begin_ns"]) * 1e-6}
    latency_ms = np.array([(end_ns - begin_ns) * 1e-6 for _, begin_ns, end_ns in run.frames])
    stage = next(stage for stage in found["stages"] if stage["name"] == "infer")
    for figures, values in ((stage, raw["infer"]), (found["latency_ms"], latency_ms)):
        expected = np.percentile(values, (50, 95, 99))
        assert [figures[name] for name in ("p50", "p95", "p99")] == pytest.approx(
            expected, rel=1e-9
        )
    line = found["timeline"]
    for step, middle_s in enumerate(line["t_s"]):
        first_ns = run.timings.began_ns + (middle_s - line["step_s"] / 2) * 1e9
        inside = [
            value
            for value, (_, _, end_ns) in zip(latency_ms, run.frames, strict=True)
            if first_ns <= end_ns < first_ns + line["step_s"] * 1e9
        ]
        if inside:
            assert line["latency_p95_ms"][step] == pytest.approx(
                np.percentile(inside, 95), abs=1e-3
            )


def test_a_stall_shows_when_it_was_and_where() -> None:
    found = figures_of(a_run(200, stall_at_s=3.0), 8.0)
    slowest = found["slowest_frames"][0]
    assert slowest["t_s"] == pytest.approx(3.8, abs=0.05)
    assert slowest["stages_ms"]["infer"] == pytest.approx(800, rel=0.02)
    line = found["timeline"]
    worst = int(np.argmax([value or 0 for value in line["latency_max_ms"]]))
    assert abs(line["t_s"][worst] - slowest["t_s"]) <= line["step_s"]


def test_frames_of_the_timeline_add_up() -> None:
    run = a_run(300)
    found = figures_of(run, 12.0)
    line = found["timeline"]
    assert sum(line["fps"]) * line["step_s"] == pytest.approx(300, rel=0.02)
    assert (
        sum(found["latency_distribution"]["counts"]) + found["latency_distribution"]["beyond"]
        == 300
    )


def test_drops_are_counted_in_the_step_in_which_they_happened() -> None:
    run = KnownRun()
    for index in range(100):
        run.frame(index * 100, index=index, drops=0 if index < 70 else 9, infer=10)
    line = figures_of(run, 10.0, drops={"stale": 9})["timeline"]
    assert sum(line["drops"]) == 9
    step = int(np.argmax(line["drops"]))
    assert abs(line["t_s"][step] - 7.0) <= line["step_s"]


def test_the_document_and_the_benchmark_line_are_what_the_schema_says() -> None:
    found = figures_of(a_run(60), 2.4)
    jsonschema.validate(found, SCHEMA)
    line = benchmark_line(found)
    assert "\n" not in line
    jsonschema.validate(json.loads(line), SCHEMA)
    assert len(line) < 6000


def test_a_run_that_failed_before_its_first_frame_has_a_document_too() -> None:
    run = KnownRun()
    summary = Summary(
        elapsed_s=0.0,
        sources=(),
        latency_ms=run.summary(0).latency_ms,
        stages=(),
        depths={},
        stopped=False,
    )
    facts = RunFacts(
        command="x", model="lite", runtime="torch", precision="fp32", error="the cable was pulled"
    )
    found = document(facts, summary, run.timings, run.recorder, {}, ENVIRONMENT)
    jsonschema.validate(found, SCHEMA)
    assert found["run"]["outcome"] == "failed"


def test_a_long_run_says_that_it_was_thinned_out_and_counts_everything() -> None:
    run = KnownRun(capacity=64)
    for index in range(1000):
        run.frame(index * 10, index=index, people=1, infer=4 if index != 777 else 400)
    found = figures_of(run, 10.0)
    assert found["kept_every"] >= 16
    assert found["stages"][0]["n"] == found["latency_ms"]["n"] == 1000
    assert found["stages"][0]["max"] == pytest.approx(400)
    assert found["slowest_frames"][0]["frame"] == 777
    assert sum(found["timeline"]["fps"]) * found["timeline"]["step_s"] == pytest.approx(
        1000, rel=0.05
    )


def test_types_and_schema_of_the_document_name_the_same_fields() -> None:
    assert set(ProfileDocument.__annotations__) | set(RateFigures.__annotations__) == set(
        SCHEMA["properties"]
    )
    found = figures_of(a_run(20), 2.0)
    assert set(found) == set(SCHEMA["properties"])
