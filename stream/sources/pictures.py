"""Pictures: photographs, animations and files of several pages, as an image viewer shows them."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from basics.paths import ffmpeg_path, utf8_path
from configs import SourceError
from keypoint_datasets.images import IMAGE_SUFFIXES
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import Source

_HEIF = frozenset({".heic", ".heif", ".hif"})
_PAGED = frozenset({".tif", ".tiff"})
_ANIMATED = frozenset({".png", ".apng", ".webp", ".gif", ".avif"})
PICTURE_SUFFIXES = (
    IMAGE_SUFFIXES
    | _HEIF
    | _PAGED
    | _ANIMATED
    | {".jfif", ".jpe", ".jp2", ".dib", ".pbm", ".pnm", ".tga", ".qoi"}
)
"""Suffixes, in lower case, of the files that are read as pictures."""

IMAGE_FPS = 25.0  # images have no time of their own; this is how fast the video made of them plays
_UNTIMED_S = 0.1  # browsers show a picture for this long whose animation says 0
_BLOCK = 32  # pictures of an animation that are decoded at once
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS = 1 << 28  # of a PNG: 0.8 GB; phones have up to 200 million
_HEAD_BYTES = 1 << 16  # the description of an AVIF, which comes first
_TURNS = {
    1: cv2.ROTATE_90_COUNTERCLOCKWISE,
    2: cv2.ROTATE_180,
    3: cv2.ROTATE_90_CLOCKWISE,
}


class Page(NamedTuple):
    """One of the pictures in a file.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        shown_s: For how long an animation shows it, in seconds.
    """

    image: NDArray[np.uint8]
    shown_s: float


def is_picture(path: str | Path) -> bool:
    """Whether the file is a picture, going by its name."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


def is_photograph(path: str | Path) -> bool:
    """Whether the file is there and holds one picture: no animation, no pages.

    What cannot be read is none; whoever opens it says why.
    """
    try:
        if not is_picture(path) or not Path(path).is_file():
            return False
        _check_png(str(path))
    except (OSError, SourceError):  # a name too long for a file, such as that of an address
        return False
    counted = Path(path).suffix.lower() in _PAGED | _ANIMATED and cv2.haveImageReader(str(path))
    return not counted or _page_count(str(path)) == 1


class PictureSource(Source):
    """All that is in the picture at `path`: animations at their own pace, the pages of a TIFF."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.name = path
        self._pages: Iterator[Page] = iter(())
        self._next: Page | None = None
        self._current: Page | None = None
        self._info: SourceInfo | None = None
        self._index = -1
        self._time_s = 0.0

    @property
    def info(self) -> SourceInfo | None:
        return self._info

    @property
    def files(self) -> list[Path]:
        """The file."""
        return [Path(self.name)]

    def open(self) -> None:
        """Decodes the first picture. Raises SourceError if that cannot be done."""
        self._pages = read_pages(self.name)
        self._next = next(self._pages)
        height, width = self._next.image.shape[:2]
        self._info = SourceInfo(
            name=self.name,
            width=width,
            height=height,
            fps=1 / self._next.shown_s,
            frame_count=_page_count(self.name),
        )
        self.health.state = "running"

    def grab(self) -> FrameStamp | None:
        page = self._next
        if page is None:
            return None
        if self._current is not None:
            self._time_s += self._current.shown_s
        self._current = page
        self._index += 1
        try:
            self._next = next(self._pages, None)
        except SourceError as error:
            self._next, self.health.message = None, str(error)
        return FrameStamp(
            source=self.name,
            index=self._index,
            time_s=self._time_s,
            capture_ns=time.monotonic_ns(),
        )

    def retrieve(self, frame: Frame) -> None:
        if self._current is not None:
            frame.allocate(*self._current.image.shape[:2])[:] = self._current.image

    def interrupt(self) -> None:
        self._next = None

    def close(self) -> None:
        self._pages, self._next, self._current = iter(()), None, None


def read_pages(path: str) -> Iterator[Page]:
    """The pictures in the file at `path`, turned as they say; grey, 16-bit and transparent ones are
    converted.

    Raises:
        SourceError: It cannot be read, has too many pixels, or needs a package that is missing.
    """
    suffix = Path(path).suffix.lower()
    try:
        if not Path(path).is_file():
            raise SourceError(f"no such file: {path!r}")
        _check_png(path)
        if suffix in _HEIF:
            yield Page(_read_heif(path), 1 / IMAGE_FPS)
        elif not _ask(cv2.haveImageReader, path):
            yield Page(_read_with_ffmpeg(path), 1 / IMAGE_FPS)
        elif suffix in _PAGED:
            yield from _read_tiff(path)
        elif suffix in _ANIMATED and _page_count(path) > 1:
            yield from _read_animation(path)
        else:
            image = _bgr(path, _ask(cv2.imread, path, cv2.IMREAD_COLOR))
            yield Page(_turned(path, image), 1 / IMAGE_FPS)
    except cv2.error as error:
        raise SourceError(f"{path!r} cannot be read: {_reason(error)}") from error
    except SourceError:  # it is an OSError, too, and says all that there is to say
        raise
    except OSError as error:
        raise SourceError(f"{path!r} cannot be read: {error.strerror or error}") from error


def _ask(function: Callable[..., Any], path: str, *arguments: Any, **options: Any) -> Any:
    """What a function of OpenCV says to a path of any name."""
    with utf8_path(path) as name:
        return function(name, *arguments, **options)


def _check_png(path: str) -> None:
    """Raises SourceError for a PNG that announces what would fill the memory: libpng takes it
    before it looks whether anything follows, for damage as well.
    """
    with Path(path).open("rb") as file:
        head = file.read(33)
    if not head.startswith(_PNG):
        return
    if len(head) < 33 or zlib.crc32(head[12:29]) != int.from_bytes(head[29:33], "big"):
        raise SourceError(f"{path!r} is not an image that can be read: it is damaged")
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if width * height > _MOST_PIXELS:
        raise SourceError(
            f"{path!r} announces {width}x{height} pixels, more than {_MOST_PIXELS:,}; scale it down"
        )


def _page_count(path: str) -> int:
    suffix = Path(path).suffix.lower()
    if suffix not in _PAGED | _ANIMATED:
        return 1
    try:
        return max(1, int(_ask(cv2.imcount, path)))
    except cv2.error:
        return 1


def _read_tiff(path: str) -> Iterator[Page]:
    """Page by page; OpenCV turns them in this way of reading only."""
    for index in range(_page_count(path)):
        _, pages = _ask(cv2.imreadmulti, path, index, 1, flags=cv2.IMREAD_COLOR)
        yield Page(_bgr(path, pages[0] if pages else None), 1 / IMAGE_FPS)


def _read_animation(path: str) -> Iterator[Page]:
    count = _page_count(path)
    for start in range(0, count, _BLOCK):
        found, block = _ask(cv2.imreadanimation, path, start, min(_BLOCK, count - start))
        if not found or not block.frames:
            raise SourceError(f"{path!r} ends early: {start} of {count} pictures")
        for image, shown_ms in zip(block.frames, block.durations, strict=True):
            yield Page(_bgr(path, image), float(shown_ms) / 1000 or _UNTIMED_S)


def _read_heif(path: str) -> NDArray[np.uint8]:
    """What phones write: a grid of tiles, which FFmpeg would show the first of."""
    try:
        from pillow_heif import open_heif
    except ImportError as error:
        raise SourceError(
            f"{path!r} is a HEIF picture: pip install 'higherhrnet-stream[heif]' to read it, or "
            "convert it to JPEG"
        ) from error
    try:
        picture = open_heif(path, convert_hdr_to_8bit=True, bgr_mode=True)
        return _bgr(path, np.asarray(picture))
    except (ValueError, EOFError, SyntaxError, RuntimeError) as error:
        raise SourceError(f"{path!r} is not an image that can be read: {error}") from error


def _read_with_ffmpeg(path: str) -> NDArray[np.uint8]:
    """Kinds that OpenCV does not know, such as TGA."""
    if Path(path).suffix.lower() == ".avif":
        raise SourceError(
            f"{path!r} is an AVIF picture, which this OpenCV cannot read: pip install -U "
            "opencv-python"
        )
    try:
        with av.open(ffmpeg_path(path)) as container:
            return _bgr(path, next(container.decode(video=0)).to_ndarray(format="bgr24"))
    except (av.FFmpegError, StopIteration, IndexError, ValueError) as error:
        raise SourceError(f"{path!r} is not an image that can be read") from error


def _bgr(path: str, image: Any) -> NDArray[np.uint8]:
    if image is None or image.ndim not in (2, 3):
        raise SourceError(f"{path!r} is not an image that can be read")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif image.shape[2] == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    return image  # type: ignore[no-any-return]


def _turned(path: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An AVIF as its boxes `irot` and `imir` say (ISO/IEC 23008-12), which OpenCV leaves to us."""
    if Path(path).suffix.lower() != ".avif":
        return image
    with Path(path).open("rb") as file:
        head = file.read(_HEAD_BYTES)
    turn, mirror = head.find(b"\x00\x00\x00\x09irot"), head.find(b"\x00\x00\x00\x09imir")
    if turn >= 0 and (way := head[turn + 8] & 3):
        image = cv2.rotate(image, _TURNS[way])  # type: ignore[assignment]
    if mirror >= 0:
        image = cv2.flip(image, head[mirror + 8] & 1)  # type: ignore[assignment]
    return image


def _reason(error: cv2.error) -> str:
    text = str(error)
    if "IO_MAX_IMAGE" in text:
        return "it announces more pixels than OpenCV takes (OPENCV_IO_MAX_IMAGE_PIXELS)"
    return "it is damaged"
