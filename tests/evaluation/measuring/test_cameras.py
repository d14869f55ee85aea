"""What a number of cameras gets of one engine: by hand, and beside the real pipeline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from configs import ConfigError
from evaluation.__main__ import main
from evaluation.measuring.cameras import EngineTimes, simulate
from stream.pipeline.pipeline import Pipeline
from tests.stream.pipeline.parts import MemorySink, counted
from tests.support.blank_engine import BlankEngine
from tests.support.people import nobody

ENGINE = EngineTimes(batch_ms=(20.0,), rest_ms=3.0)


def test_one_camera_that_the_engine_keeps_up_with_waits_for_nobody() -> None:
    service = simulate(1, 25.0, ENGINE)
    assert service.share == pytest.approx(1, abs=0.002)
    assert (service.latency_ms.p50, service.latency_ms.max) == pytest.approx((23, 24), abs=0.3)
    assert service.busy == pytest.approx(0.5, abs=0.01)


def test_the_simulation_is_right_about_a_camera_that_was_measured() -> None:
    """`python -m benchmarks.live latency --engine slow`, 300 s, in docs/live.md."""
    service = simulate(1, 30.0, EngineTimes(batch_ms=(80.0,)), seconds=300)
    assert service.fps == pytest.approx(3743 / 300, rel=0.01)
    assert service.latency_ms.p50 == pytest.approx(97.6, abs=2)
    assert service.latency_ms.p95 == pytest.approx(112.7, abs=2)


def test_beyond_its_limit_an_engine_gives_every_camera_the_same() -> None:
    for cameras in (4, 10):
        service = simulate(cameras, 25.0, ENGINE)
        assert service.fps == pytest.approx(50 / cameras, rel=0.01)
        assert service.least_fps == pytest.approx(service.fps, rel=0.02)
        assert service.busy == pytest.approx(1, abs=0.01)
        # Half a frame interval old when it is taken: 20 + 20 + 3 ms; more behind another one.
        assert service.latency_ms.p50 == pytest.approx(43, abs=4)
        behind = simulate(cameras, 25.0, replace(ENGINE, in_flight=2))
        assert behind.latency_ms.p50 == pytest.approx(63, abs=4)


def test_images_that_travel_together_serve_more_cameras() -> None:
    together = EngineTimes(batch_ms=(20.0, 24.0, 32.0))
    assert [together.spent_s(images) for images in (1, 3, 4, 5)] == pytest.approx(
        [0.020, 0.044, 0.032, 0.052]
    )
    assert simulate(8, 25.0, together).fps == pytest.approx(4 / 0.032 / 8, rel=0.01)
    assert simulate(8, 25.0, EngineTimes(batch_ms=(20.0,))).fps < 0.5 * 4 / 0.032 / 8


@pytest.mark.parametrize("cameras", [1, 5])
def test_the_pipeline_gives_cameras_what_the_simulation_says(cameras: int) -> None:
    sources = [counted(50, fps=25.0, name=str(number)) for number in range(cameras)]
    sinks = [[MemorySink()] for _ in sources]
    with Pipeline(sources, BlankEngine(0.02), nobody, sinks=sinks) as pipeline:
        pipeline.run()
        summary = pipeline.summary()
    (network,) = (stage for stage in summary.stages if stage.name == "infer")
    network_ms = network.time_ms.mean
    said = simulate(cameras, 25.0, EngineTimes(batch_ms=(network_ms,)))
    measured_fps = summary.frames / summary.elapsed_s / cameras
    assert measured_fps == pytest.approx(said.fps, rel=0.15)
    # The cameras of the test begin together, those of the simulation do not.
    assert summary.latency_ms.p50 == pytest.approx(
        said.latency_ms.p50, abs=0.6 * network.time_ms.mean
    )


def test_the_command_says_what_each_camera_gets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cameras", "--batch-ms", "20", "--cameras", "1", "4"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("| cameras | FPS each")
    assert said[3].split("|")[2].strip() in ("12.4", "12.5", "12.6")
    assert said[-1] == "2 cameras of 25 FPS get nearly all of the frames"


@pytest.mark.parametrize("words", [["--batch-ms", "0"], ["--batch-ms", "9", "--cameras", "0"]])
def test_what_cannot_be_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cameras", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(ConfigError, match="above 0"):
        simulate(0, 25.0, ENGINE)
