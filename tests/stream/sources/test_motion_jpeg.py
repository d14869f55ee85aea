"""MJPEG in the dialects of cameras, each picture as soon as it is there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from configs import SourceError
from stream.sources import open_source
from stream.sources.config import SourceConfig
from stream.sources.motion_jpeg import JpegSplitter
from tests.support.media import numbered_image, read_number
from tests.support.servers import tcp_server
from tests.support.waiting import LIMIT_S, TooSlow, measured

PATIENT = SourceConfig(open_timeout_s=60, read_timeout_s=60, reconnect=0)
PICTURES = [cv2.imencode(".jpg", numbered_image(i, 96, 64))[1].tobytes() for i in range(8)]
_KNOWN_BY = 4
TYPE = "Content-Type: multipart/x-mixed-replace; boundary="
PART = "Content-Type: image/jpeg\r\nContent-Length: {length}\r\n"

# The head of the answer, what stands before the first picture, and before and behind each.
DIALECTS: dict[str, tuple[str, str, str, str]] = {
    "of the book": (TYPE + "frame", "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "dashes in the boundary": (TYPE + "--frame", "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "a boundary in quotes": (TYPE + '"frame"', "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "another boundary": (TYPE + "other", "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "no boundary announced": (TYPE.partition(";")[0], "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "no lengths": (TYPE + "frame", "", "--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
    "image/jpg": (TYPE + "frame", "", "--frame\r\nContent-Type: image/jpg\r\n\r\n", "\r\n"),
    "a parameter": (TYPE + "frame", "", "--frame\r\nContent-Type: image/jpeg; x=y\r\n\r\n", "\r\n"),
    "no type": (TYPE + "frame", "", "--frame\r\nContent-Length: {length}\r\n\r\n", "\r\n"),
    "no heads": (TYPE + "frame", "", "--frame\r\n\r\n", "\r\n"),
    "no first boundary": (TYPE + "frame", PART + "\r\n", "", f"\r\n--frame\r\n{PART}\r\n"),
    "a picture first": (TYPE + "frame", "", "", f"\r\n--frame\r\n{PART}\r\n"),
    "line feeds": (TYPE + "frame", "", f"--frame\n{PART}\n".replace("\r", ""), "\n"),
    "lower case": (TYPE.lower() + "frame", "", f"--frame\r\n{PART.lower()}\r\n", "\r\n"),
    "nothing behind": (TYPE + "frame", "", f"--frame\r\n{PART}\r\n", ""),
    "wrong lengths": (TYPE + "frame", "", "--frame\r\nContent-Length: 9{length}\r\n\r\n", "\r\n"),
    "no type of the answer": ("Server: camera", "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "called a web page": ("Content-Type: text/html", "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "called mixed": ("Content-Type: multipart/mixed", "", f"--frame\r\n{PART}\r\n", "\r\n"),
    "nothing between": ("Content-Type: image/jpeg", "", "", ""),
    "called bytes": ("Content-Type: application/octet-stream", "", "", ""),
}


def speaking(dialect: str, sent: list[threading.Semaphore]) -> Callable[[socket.socket], None]:
    """A camera that sends four pictures, by which it may be known, and then one more each time that
    the last of `sent`, which has one for each connection, is released.
    """
    head, first, before, behind = DIALECTS[dialect]

    def answer(connection: socket.socket) -> None:
        go_on = threading.Semaphore(_KNOWN_BY)
        sent.append(go_on)
        connection.recv(4096)
        length = len(PICTURES[0])
        connection.sendall(
            f"HTTP/1.0 200 OK\r\n{head}\r\n\r\n{first}".format(length=length).encode()
        )
        for picture in PICTURES:
            go_on.acquire(timeout=LIMIT_S)
            text = (before.format(length=len(picture)), behind.format(length=len(picture)))
            connection.sendall(text[0].encode() + picture + text[1].encode())
        go_on.acquire(timeout=LIMIT_S)

    return answer


@contextmanager
def hurried() -> Iterator[None]:
    """Says TooSlow where four pictures were not there in time to tell what they are."""
    try:
        yield
    except SourceError as error:
        if "no answer within 0.7 s" in str(error):
            raise TooSlow(str(error)) from error
        raise


@pytest.mark.parametrize("dialect", DIALECTS)
@measured
def test_a_camera_is_understood_whatever_it_puts_around_its_pictures(dialect: str) -> None:
    """Each picture is there before the next one is sent."""
    sent: list[threading.Semaphore] = []
    guessed = dialect in ("nothing between", "called bytes")  # when no more comes for this time
    config = replace(PATIENT, open_timeout_s=0.7) if guessed else PATIENT
    with (
        tcp_server(speaking(dialect, sent)) as port,
        hurried() if guessed else nullcontext(),
        open_source(f"http://127.0.0.1:{port}/video", config) as source,
    ):
        assert source.live
        for expected in range(len(PICTURES)):
            (frame,) = islice(source, 1)
            assert read_number(frame.image) == expected
            if expected >= _KNOWN_BY - 1:
                sent[-1].release()


def test_time_is_that_of_the_camera_and_not_a_count_of_pictures() -> None:
    """FFmpeg numbers them, as if there were 25 a second."""
    sent: list[threading.Semaphore] = []
    with (
        tcp_server(speaking("of the book", sent)) as port,
        open_source(f"http://127.0.0.1:{port}/video", PATIENT) as source,
    ):
        frames = list(islice(source, _KNOWN_BY))
        time.sleep(0.3)
        sent[-1].release()
        frames += list(islice(source, 1))
    spent_s = (frames[-1].capture_ns - frames[-2].capture_ns) * 1e-9
    assert spent_s >= 0.3
    assert frames[-1].time_s - frames[-2].time_s == pytest.approx(spent_s, abs=1e-3)


@st.composite
def _pictures(draw: st.DrawFn) -> bytes:
    """A JPEG of any size and quality, with restarts, several scans and a thumbnail, or not."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    noise = np.random.default_rng(draw(st.integers(0, 1000))).integers(
        0, 256, (*shape, 3), np.uint8
    )
    options = [cv2.IMWRITE_JPEG_QUALITY, draw(st.integers(1, 100))]
    options += [cv2.IMWRITE_JPEG_PROGRESSIVE, draw(st.integers(0, 1))]
    options += [cv2.IMWRITE_JPEG_RST_INTERVAL, draw(st.sampled_from((0, 1, 3)))]
    picture = cv2.imencode(".jpg", noise, options)[1].tobytes()
    if draw(st.booleans()):
        thumbnail = b"Exif\0\0" + PICTURES[0]
        size = (len(thumbnail) + 2).to_bytes(2, "big")
        picture = picture[:2] + b"\xff\xe1" + size + thumbnail + picture[2:]
    return picture


@settings(max_examples=40, deadline=None)
@given(
    st.lists(_pictures(), max_size=4),
    st.lists(
        st.binary(max_size=20).filter(lambda text: b"\xff" not in text), min_size=5, max_size=5
    ),
    st.integers(1, 900),
)
def test_pictures_come_out_as_they_went_in_whatever_stands_between(
    pictures: list[bytes], between: list[bytes], piece: int
) -> None:
    stream = between[0] + b"".join(a + b for a, b in zip(pictures, between[1:], strict=False))
    splitter = JpegSplitter()
    found = [
        picture
        for begin in range(0, len(stream), piece)
        for picture in splitter.feed(stream[begin : begin + piece])
    ]
    assert found == pictures


@given(st.lists(st.binary(max_size=60), max_size=6))
@example([b"\xd8"])
def test_whatever_comes_is_no_error(pieces: list[bytes]) -> None:
    splitter = JpegSplitter()
    found = [picture for piece in pieces for picture in splitter.feed(b"\xff\xd8\xff" + piece)]
    assert all(picture.startswith(b"\xff\xd8\xff") for picture in found)


def test_a_picture_that_breaks_off_does_not_cost_the_next_one() -> None:
    first, second, third = PICTURES[:3]
    splitter = JpegSplitter()
    found = list(splitter.feed(first + b"--a\r\n" + second[:-20] + b"\r\n--a\r\n" + third))
    assert found[0] == first
    assert found[-1] == third
