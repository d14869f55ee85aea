"""Two machines of a Ray cluster, of which one dies."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from archive import ClusterConfig, Progress, Settings
from archive.config import OutputsConfig
from archive.driver import Driver, resume
from archive.inputs import find_videos
from archive.manifest import Manifest
from archive.ray_workers import RayWorkers, cluster_address, size_workers
from archive.storage import Folder
from configs import ConfigError, RuntimeUnavailableError
from configs.units import parse_duration
from stream import run
from tests.support.archive_clips import WalkersEngine, records, slower_worker, walkers_clip

# Ray's own threads and sockets end with the interpreter.
pytestmark = pytest.mark.filterwarnings("default")


def test_units_of_a_machine_that_dies_are_done_on_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster_utils: Any = pytest.importorskip("ray.cluster_utils")
    import ray

    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    walkers_clip(videos / "long.mp4", 75)
    for name in ("a", "b"):
        walkers_clip(videos / f"{name}.mkv", 20)
    (videos / "empty.mp4").touch()
    settings = Settings(folder=str(out), outputs=OutputsConfig(cut=parse_duration("1s", "cut")))
    manifest = Manifest(Folder(str(out)))
    found = find_videos([str(videos)])
    manifest.keep_videos(found)
    schedule = resume(manifest, found, settings.outputs.format, retry_failed=False)
    try:
        cluster = cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        second = cluster.add_node(num_cpus=1)
    except Exception as error:  # Ray gives its processes half a minute
        if "timed out during startup" in str(error):
            pytest.skip(f"this machine is too busy for Ray: {error}")
        raise
    try:
        lost: list[int] = []

        def lose(progress: Progress) -> None:
            if progress.frames and not lost:
                lost.append(progress.frames)
                cluster.remove_node(second, allow_graceful=False)

        workers = RayWorkers(settings, ClusterConfig(cores=1), cluster.address, slower_worker)
        with workers:
            assert workers.shown == "2 Ray actors of 1 cores"
            limit_s = time.monotonic() + 600
            while workers.free < 2 and time.monotonic() < limit_s:
                assert not workers.wait(0.5)
            end = Driver(schedule, manifest, workers, on_progress=lose).run()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert lost and "a worker is gone" in caplog.text
    assert end.progress.finished == 4 and end.progress.failed == 1
    for name in ("long.mp4", "a.mkv", "b.mkv"):
        one = tmp_path / f"{Path(name).stem}.jsonl"
        run(str(videos / name), one, estimator=WalkersEngine())
        assert records(out / one.name) == records(one)
    left = [name for name in manifest.folder.names() if "/part/" in name]
    assert not left


def test_workers_fit_the_machines() -> None:
    def size(nodes: list[dict[str, float]], **wanted: Any) -> tuple[int, float, int]:
        found = size_workers(ClusterConfig(**wanted), nodes)
        return found.cores, found.gpus, found.count

    plain, gpus = {"CPU": 8.0}, {"CPU": 16.0, "GPU": 2.0}
    assert size([plain, plain]) == (8, 0.0, 2)
    assert size([plain, {"CPU": 4.0}]) == (4, 0.0, 3)
    assert size([plain, gpus]) == (8, 1.0, 2)
    assert size([gpus], gpus=0.25) == (2, 0.25, 8)
    assert size([plain], cores=2) == (2, 0.0, 4)
    assert size([plain], workers=3, cores=16) == (16, 0.0, 3)  # the cluster may start larger ones
    with pytest.raises(ConfigError, match="no machine of the Ray cluster has 16 cores"):
        size([plain], cores=16)


def test_which_cluster_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster_address("local") is None
    assert cluster_address("ray://head:10001") == "ray://head:10001"
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert cluster_address("auto") == "head:6379"


def test_what_rays_client_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(RuntimeUnavailableError, match=r"ray:// needs grpc: .*\[cluster\]"):
        RayWorkers(Settings(folder=str(tmp_path)), ClusterConfig(), "ray://127.0.0.1:1")


def test_a_cluster_that_does_not_answer_is_told(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    workers = RayWorkers(Settings(folder=str(tmp_path)), ClusterConfig(), "127.0.0.1:1")
    with pytest.raises(ConfigError, match="no Ray cluster answers"), workers:
        pass
