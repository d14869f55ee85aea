"""What a run is made of: devices that share sources, and the GPU that decodes for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from configs import RuntimeUnavailableError
from engine import Device, EstimatorConfig, parse_devices
from stream import SourceConfig
from stream.assembly import decoded_beside
from tests.support.cuda import on_driver


@on_driver
def test_each_source_is_decoded_on_the_gpu_that_computes_it(
    tmp_path: Path, driver: Any = None
) -> None:
    from stream import PipelineConfig, run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        before = [driver.openings(index) for index in range(2)]
        summary = run(
            ["demo", "demo"],
            [tmp_path / "{source}.jsonl"],
            estimator=EstimatorConfig(
                runtime="tensorrt", device=parse_devices("cuda:0,GPU-1111"), input_size=64
            ),
            source=SourceConfig(decoder="auto"),  # the driver in memory has no decoder behind it
            pipeline=PipelineConfig(frames=2),
        )
    assert summary.devices == ("cuda:0 (Memory 0)", "cuda:1 (Memory 1)")
    # At least by FFmpeg, once to see whether it can, and once for the source.
    assert all(driver.openings(index) - before[index] >= 2 for index in range(2))


@pytest.mark.parametrize(
    ("decoder", "device", "gpus"),
    [
        ("cuda", "cuda:0,cuda:1", [0, 1, 0]),
        ("auto", "cuda:1", [1, 1, 1]),
        ("auto", "GPU-1111", [1, 1, 1]),
        ("cuda", "cuda", [None] * 3),  # whichever is first
        ("cuda", "auto", [None] * 3),
        ("cuda", "cpu,cuda:1", [None, 1, None]),
        ("software", "cuda:1", [None] * 3),
    ],
)
@on_driver
def test_the_gpu_that_decodes_is_the_one_that_was_named(
    decoder: Any, device: str, gpus: list[int | None]
) -> None:
    source = SourceConfig(decoder=decoder)
    estimator = EstimatorConfig(device=parse_devices(device))
    found = [decoded_beside(source, estimator, index, 3) for index in range(3)]
    assert [each and each.decoder_gpu for each in found] == gpus
    asked = SourceConfig(decoder=decoder, decoder_gpu=7)
    assert decoded_beside(asked, estimator, 0, 3) is asked


def test_a_gpu_that_is_not_there_is_told_before_anything_is_opened() -> None:
    estimator = EstimatorConfig(device=parse_devices("cuda:7"))
    with pytest.raises(RuntimeUnavailableError, match=r"no CUDA driver|there is no GPU cuda:7"):
        decoded_beside(SourceConfig(decoder="cuda"), estimator, 0, 1)
    assert decoded_beside(None, estimator, 0, 1) is None
    assert estimator.device.single == Device("cuda", 7)
