"""Images are found by name in folders, archives, files and clips, by threads and by processes."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from configs import DataError
from keypoint_datasets import ImageStore
from tests.keypoint_datasets.conftest import LabelFile
from tests.support.waiting import LIMIT_S, joined


def write_image(path: Path, value: int = 0) -> None:
    """A small picture, all of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8, 3), value, np.uint8))


def write_clip(path: Path, frames: int) -> None:
    """A small black clip."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def grey(image: np.ndarray) -> int:
    """The grey that `write_image` gave it."""
    return int(image[0, 0, 0])


def test_a_folder_and_an_archive_serve_the_same_images(label_file: LabelFile) -> None:
    with ImageStore([label_file.images]) as folder, ImageStore([label_file.zipped()]) as archive:
        for name in ("1.png", "2.png", "val/1.png", "elsewhere/2.png"):
            np.testing.assert_array_equal(folder.read(name), archive.read(name))
        assert archive.names == ("val/1.png", "val/2.png")


def test_the_first_place_that_has_an_image_serves_it(tmp_path: Path) -> None:
    for number, place in enumerate(("one", "two", "three")):
        write_image(tmp_path / place / "a.png", 10 * number)
    write_image(tmp_path / "two" / "deep" / "b.png", 50)
    with ImageStore([tmp_path / "one", tmp_path / "two", tmp_path / "three"]) as store:
        assert grey(store.read("a.png")) == 0
        assert grey(store.read("b.png")) == 50
        two, three = (tmp_path / place / "a.png" for place in ("two", "three"))
        assert store.names == ("a.png", two.as_posix(), "deep/b.png", three.as_posix())
        assert [grey(image) for image in store.images()] == [0, 10, 50, 20]


def test_an_exact_path_goes_before_a_bare_name(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "0.png", 10)
    write_image(tmp_path / "b" / "0.png", 20)
    with ImageStore([tmp_path]) as store:
        assert [grey(store.read(name)) for name in ("b/0.png", "a/0.png", "0.png")] == [20, 10, 10]


def test_pictures_come_from_files_folders_archives_and_clips(tmp_path: Path) -> None:
    write_image(tmp_path / "pictures" / "a.png")
    write_image(tmp_path / "pictures" / "more" / "b.jpg")
    write_image(tmp_path / "single.bmp")
    (tmp_path / "pictures" / "notes.txt").write_text("no image")
    write_clip(tmp_path / "clip.mp4", frames=6)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(tmp_path / "pictures" / "a.png", "deep/d.png")
        archive.writestr("notes.txt", "no image")
    places = [tmp_path / name for name in ("pictures", "single.bmp", "c.zip", "clip.mp4")]
    with ImageStore(places) as store:
        assert store.names == ("a.png", "more/b.jpg", "single.bmp", "deep/d.png", "clip.mp4")
        assert len(list(store.images())) == 4 + 6
        assert len(list(store.images(frames_per_clip=4))) == 4 + 4
        assert store.thinned(2) == ("a.png", "single.bmp")
        assert len(list(store.images(["clip.mp4", "a.png"]))) == 7


def test_a_clip_that_is_called_by_the_time_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "clip.mp4", frames=2)
    (tmp_path / "clip.mp4").rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    with ImageStore([Path("12:30.mp4")]) as store:  # to FFmpeg a protocol, 12
        assert len(list(store.images())) == 2


def test_pictures_start_again_where_there_are_fewer(tmp_path: Path) -> None:
    for index in range(3):
        write_image(tmp_path / f"{index}.png", 40 * index)
    with ImageStore([tmp_path]) as store:
        assert [grey(image) for image in store.repeat(5)] == [0, 40, 80, 0, 40]


def test_a_place_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with ImageStore([tmp_path]) as store:
        assert store.names == ()
        for asked in (lambda: store.thinned(1), lambda: list(store.repeat(1))):
            with pytest.raises(DataError, match=f"there is no image in '{tmp_path}'"):
                asked()


def test_a_place_that_is_not_there_or_holds_no_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images at '.*gone\.zip'"):
        ImageStore([tmp_path / "gone.zip"])
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 not really")
    (tmp_path / "labels.json").write_text("{}")
    for name in ("broken.zip", "labels.json"):
        with pytest.raises(DataError, match="neither a folder, a readable zip archive"):
            ImageStore([tmp_path / name])


def test_an_image_that_is_missing_is_named(label_file: LabelFile) -> None:
    with ImageStore([label_file.images]) as store:
        assert store.missing(["1.png", "gone.png"]) == ["gone.png"]
        with pytest.raises(DataError, match=r"'gone\.png' is missing; looked in '"):
            store.read("gone.png")


def test_a_damaged_image_or_clip_is_named(tmp_path: Path) -> None:
    (tmp_path / "short.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "clip.mp4").write_bytes(b"no clip")
    with ImageStore([tmp_path]) as store:
        for name in ("short.png", "empty.png"):
            with pytest.raises(DataError, match=f"cannot decode image '{name}'"):
                store.read(name)
        with pytest.raises(DataError, match=r"cannot read clip '.*clip\.mp4'"):
            next(store.frames("clip.mp4"))


def test_a_damaged_member_of_an_archive_is_named(tmp_path: Path) -> None:
    """Damage inside compressed data reaches zipfile as an error of zlib."""
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("val/1.png", b"abcdefgh hgfedcba" * 500)
        start = archive.getinfo("val/1.png").header_offset
    content = bytearray(path.read_bytes())
    content[start + 41 : start + 56] = b"\xff" * 15
    path.write_bytes(content)
    with ImageStore([path]) as store, pytest.raises(DataError, match="decompressing"):
        store.read("1.png")


def test_orientation_tags_count_only_where_they_are_asked_for(tmp_path: Path) -> None:
    """EXIF orientation 6: shown turned by a quarter."""
    encoded = cv2.imencode(".jpg", np.zeros((8, 16, 3), np.uint8))[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "turned.jpg").write_bytes(encoded[:2] + segment + encoded[2:])
    with ImageStore([tmp_path]) as stored, ImageStore([tmp_path], upright=True) as upright:
        assert stored.read("turned.jpg").shape == (8, 16, 3)
        assert upright.read("turned.jpg").shape == (16, 8, 3)


def test_many_threads_read_one_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(64):
            archive.writestr(f"{number}.txt", f"{number:04d}" * 5000)
    names = [f"{number % 64}.txt" for number in range(512)]
    with ImageStore([tmp_path / "many.zip"]) as store, ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(store.read_bytes, names))
    assert contents == [f"{number % 64:04d}".encode() * 5000 for number in range(512)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12: it is the point
def test_forked_and_spawned_processes_read_beside_their_parent(tmp_path: Path) -> None:
    """A process that was forked must share neither file position nor lock, held by a thread that it
    does not have.
    """
    with zipfile.ZipFile(tmp_path / "many.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(16):
            archive.writestr(f"{number}.txt", f"{number:04d}" * 50_000)
    with ImageStore([tmp_path / "many.zip"]) as store:
        stop = threading.Event()
        reader = threading.Thread(target=_read_until, args=(store, stop))
        reader.start()
        try:
            for method in ("fork", "spawn"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    jobs = [pool.apply_async(_read_all, (store,)) for _ in range(4)]
                    assert [job.get(timeout=LIMIT_S) for job in jobs] == [16] * 4
        finally:
            stop.set()
            joined(reader)


def _read_until(store: ImageStore, stop: threading.Event) -> None:
    while not stop.is_set():
        assert _read_all(store) == 16


def _read_all(store: ImageStore) -> int:
    return sum(store.read_bytes(f"{n}.txt") == f"{n:04d}".encode() * 50_000 for n in range(16))


def test_a_store_that_was_closed_or_pickled_opens_its_archives_again(label_file: LabelFile) -> None:
    store = ImageStore([label_file.zipped()])
    first = store.read("1.png")
    store.close()
    store.close()
    with store, pickle.loads(pickle.dumps(store)) as copy:
        np.testing.assert_array_equal(store.read("1.png"), first)
        np.testing.assert_array_equal(copy.read("1.png"), first)
