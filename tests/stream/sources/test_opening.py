import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from configs import SourceError
from stream.frame import Frame
from stream.sources import Source, make_source, open_sources, opened
from stream.sources.config import SourceConfig
from tests.support.media import make_clip
from tests.support.servers import tcp_server
from tests.support.waiting import LIMIT_S, measured, within


@measured
def test_sources_that_do_not_answer_are_waited_for_side_by_side(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    hold = threading.Event()
    with tcp_server(lambda connection: bool(hold.wait(LIMIT_S))) as port:
        silent = [f"http://127.0.0.1:{port}/{name}" for name in "abcd"]
        opening = open_sources([*silent, str(clip)], SourceConfig(open_timeout_s=1.0))
        with ExitStack() as stack:
            with within(3):
                sources = stack.enter_context(opening)
            assert [source.live for source in sources] == [True] * 4 + [False]
            assert len(list(sources[4])) == 5
        hold.set()


@measured
def test_one_that_cannot_be_used_is_told_without_waiting_for_the_others(tmp_path: Path) -> None:
    hold = threading.Event()
    with tcp_server(lambda connection: bool(hold.wait(LIMIT_S))) as port:
        specs = [f"http://127.0.0.1:{port}/silent", str(tmp_path / "missing.mp4")]
        with (
            within(3),
            pytest.raises(SourceError, match="no such file"),
            open_sources(specs, SourceConfig(open_timeout_s=5.0)),
        ):
            pass
        hold.set()


class LateSource(Source):
    """Opens when it is let."""

    name = "late"
    info = None

    def __init__(self) -> None:
        super().__init__()
        self.let, self.is_open, self.closed_again = (threading.Event() for _ in range(3))

    def open(self) -> None:
        self.let.wait(LIMIT_S)
        self.is_open.set()

    def grab(self) -> None:
        return None

    def retrieve(self, frame: Frame) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self.is_open.is_set():
            self.closed_again.set()


def test_one_that_opens_after_another_could_not_be_used_is_closed(tmp_path: Path) -> None:
    late = LateSource()
    missing = make_source(str(tmp_path / "missing.mp4"))
    with pytest.raises(SourceError, match="no such file"), opened([late, missing]):
        pass
    late.let.set()
    assert late.closed_again.wait(LIMIT_S)
