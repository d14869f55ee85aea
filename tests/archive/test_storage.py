"""Files in a store whose connections break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from archive import OutputsConfig, Settings, storage
from archive.inputs import find_videos
from archive.manifest import HOME, Manifest
from archive.schedule import Schedule
from archive.storage import Folder, RemoteFile, fetched, is_remote, retried
from archive.units import Video
from configs import FetchError, SinkError
from configs.units import parse_duration
from stream import run
from tests.support.archive_clips import (
    WalkersEngine,
    kinds,
    records,
    walkers_clip,
    walkers_worker,
    work_off,
)
from tests.support.cut_proxy import CutProxy
from tests.support.servers import free_port

# s3fs leaves its connections to the end of the process.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between tries."""
    monkeypatch.setattr(storage, "backoff_s", lambda attempt, jitter: 0.0)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[CutProxy]:
    """An S3 server with a bucket, behind connections that are cut."""
    server_module: Any = pytest.importorskip("moto.server")
    s3fs: Any = pytest.importorskip("s3fs")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        direct = s3fs.S3FileSystem(endpoint_url=f"http://127.0.0.1:{port}")
        direct.makedirs("bucket", exist_ok=True)
        with CutProxy(port, after=4000, cuts=12) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
            yield proxy
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()


def test_an_archive_in_s3_whose_connections_break_is_equal_to_a_run_over_files(
    proxy: CutProxy, quick: None, tmp_path: Path
) -> None:
    clip = walkers_clip(tmp_path / "walkers.mp4", 60)
    store, _ = storage.file_system("s3://bucket")
    store.put_file(str(clip), "bucket/in/walkers.mp4")
    outputs = OutputsConfig(cut=parse_duration("1s", "cut"), format=("jsonl", "csv"))
    settings = Settings(folder="s3://bucket/people", outputs=outputs)
    manifest = Manifest(Folder(settings.folder))
    manifest.agree(settings.identity())
    video = Video(address="s3://bucket/in/walkers.mp4", name="walkers", size=1)
    manifest.keep_videos([video])
    with walkers_worker(settings) as worker:
        schedule = Schedule([video])
        done = work_off(schedule, worker)
    assert kinds(done)[0] == "video" and kinds(done)[-1] == "join" and kinds(done).count("part") > 1
    manifest.finish(schedule.finished["walkers"])
    manifest.clear("walkers", 10)
    assert proxy.cut > 5
    for suffix in outputs.format:
        store.get_file(f"bucket/people/walkers.{suffix}", str(tmp_path / f"far.{suffix}"))
    run(str(clip), [tmp_path / "near.jsonl", tmp_path / "near.csv"], estimator=WalkersEngine())
    far, near = records(tmp_path / "far.jsonl"), records(tmp_path / "near.jsonl")
    assert far[1:] == near[1:] and far[0] == near[0] | {"source": video.address}
    assert (tmp_path / "far.csv").read_text() == (tmp_path / "near.csv").read_text()
    files = manifest.folder.names()
    assert files == {
        *("walkers.jsonl", "walkers.csv", f"{HOME}/settings.json", f"{HOME}/videos.json"),
        f"{HOME}/finished/walkers.json",
    }
    assert manifest.finished(files)["walkers"].frames == 60
    with fetched(video.address, tmp_path) as path:
        assert path.read_bytes() == clip.read_bytes()


def test_an_archive_in_google_cloud_storage_is_equal_to_a_run_over_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcsfs: Any = pytest.importorskip("gcsfs")
    emulator: Any = pytest.importorskip("gcp_storage_emulator.server")
    clip, port = walkers_clip(tmp_path / "walkers.mp4", 60), free_port()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    # It would ask a real service, by another protocol, of which kind the bucket is.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    gcsfs.GCSFileSystem.clear_instance_cache()
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    server.start()
    try:
        store, _ = storage.file_system("gs://bucket")
        store.put_file(str(clip), "bucket/in/walkers.mp4")
        store.pipe_file("bucket/in/empty.mp4", b"")
        settings = Settings(
            folder="gs://bucket/people", outputs=OutputsConfig(cut=parse_duration("1s", "cut"))
        )
        videos = find_videos(["gs://bucket/in"])
        assert [video.name for video in videos] == ["empty", "walkers"]
        with walkers_worker(settings) as worker:
            schedule = Schedule(videos)
            assert kinds(work_off(schedule, worker)).count("part") > 1
        far = tmp_path / "far.jsonl"
        far.write_bytes(store.cat_file("bucket/people/walkers.jsonl"))
    finally:
        server.stop()
        gcsfs.GCSFileSystem.clear_instance_cache()
    assert schedule.finished["empty"].reason == "'gs://bucket/in/empty.mp4' is empty (0 bytes)"
    run(str(clip), tmp_path / "near.jsonl", estimator=WalkersEngine())
    assert records(far)[1:] == records(tmp_path / "near.jsonl")[1:]


def test_a_file_that_is_not_there_is_told_at_once(proxy: CutProxy, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"gone\.mp4"):
        RemoteFile("s3://bucket/gone.mp4")
    with pytest.raises(FetchError, match=r"gone\.mp4"), fetched("s3://bucket/gone.mp4", tmp_path):
        pass
    settings = Settings(folder="s3://bucket/people")
    with walkers_worker(settings) as worker:
        found = Schedule([Video(address="s3://bucket/gone.mp4", name="gone")])
        outcomes = [outcome.state for _, outcome, _ in work_off(found, worker)]
    assert outcomes == ["failed"] * 3 and found.finished["gone"].state == "set-aside"


def test_a_remote_file_reads_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_BLOCK", 10)
    content = bytes(range(100))
    store = fsspec.filesystem("memory")
    store.pipe("/files/a.bin", content)
    try:
        file = RemoteFile("memory://files/a.bin")
        assert file.read(7) == content[:7] and file.tell() == 7
        assert file.seek(55) == 55 and file.read(33) == content[55:88]
        assert file.seek(-4, 2) == 96 and file.read() == content[96:] and file.read(5) == b""
        assert file.seek(-50, 1) == 50 and file.read(1) == content[50:51]
        store.pipe("/files/a.bin", content[:20])
        with pytest.raises(FetchError, match=r"of 10 bytes came"):
            monkeypatch.setattr(storage, "backoff_s", lambda attempt, jitter: 0.0)
            file.seek(30)
            file.read(10)
    finally:
        store.rm("/files", recursive=True)


def test_what_fails_is_tried_again_until_it_is_no_use(quick: None) -> None:
    tries: list[int] = []

    def fails(times: int) -> str:
        tries.append(1)
        if len(tries) <= times:
            raise ConnectionResetError("reset by https://user:hunter2@host/x")
        return "done"

    assert retried(lambda: fails(4), "fetch it") == "done" and len(tries) == 5
    tries.clear()
    with pytest.raises(FetchError, match=r"cannot fetch it: .*\(5 tries\)") as told:
        retried(lambda: fails(9), "fetch it")
    assert len(tries) == 5 and "hunter2" not in str(told.value)
    tries.clear()
    with pytest.raises(FetchError, match="no such"):
        retried(lambda: (tries.append(1), (_ for _ in ()).throw(FileNotFoundError("no such"))), "x")
    assert len(tries) == 1


def test_an_output_folder_that_cannot_be_written_is_told(tmp_path: Path, quick: None) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((SinkError, OSError)):
        Folder(str(tmp_path / "file" / "below")).write("x", b"")
    assert is_remote("s3://a/b") and not is_remote("C:/a") and not is_remote("file:///a")
