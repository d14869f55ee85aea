"""MP4, MKV and streams: which container, with which options, and how a finished MP4 gets its index
to the front.
"""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av

from basics.atomic import atomic_path
from basics.paths import ffmpeg_path

MARK = "written by higherhrnet-stream"  # the comment of every video file that is ours
OUTPUT_ERRORS = (av.FFmpegError, OSError)

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# Streams by the scheme of their address; what follows `hls:` is a folder.
STREAM_FORMATS = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "flv", "rtmps": "flv", "hls": "hls"}

# What the servers of streams are to be told, by format.
RELAYED: dict[str, dict[str, str]] = {
    "rtsp": {
        "rtsp_transport": "tcp"
    },  # frames that lose packets on the way are of no use to anybody
    "flv": {"flvflags": "no_duration_filesize"},  # a stream cannot be rewound to fill them in
}

_FRAGMENT_US = 1_000_000
_HLS_SEGMENT_S = 2
_HLS_LIVE_SEGMENTS = 8


def open_container(
    target: str,
    container_format: str,
    time_base: Fraction,
    *,
    live: bool = False,
    appended: bool = False,
) -> Any:
    """A container to write to that stays readable if the process is killed at any moment.

    MP4 is written in fragments of a second (`delay_moov`, so that the start offset and B-frames
    keep exact time stamps), Matroska in clusters of a second, HLS in segments of two seconds, of
    which a `live` one keeps the last few, and an `appended` one goes on with those that are there.
    """
    # Where one stream ends before the other, FFmpeg's interleaver holds 10 s of packets back unless
    # told otherwise.
    options = {"flush_packets": "1", "max_interleave_delta": str(_FRAGMENT_US)}
    if container_format in ("mp4", "mov"):
        options |= {
            "movflags": "frag_keyframe+delay_moov+default_base_moof",
            "frag_duration": str(_FRAGMENT_US),
            **_movie_timescale(time_base),
        }
    elif container_format == "matroska":
        options["cluster_time_limit"] = str(_FRAGMENT_US // 1000)
        # AAC begins before 0; FFmpeg would shift frames and sound by those 21 ms.
        options["avoid_negative_ts"] = "disabled"
    elif container_format == "hls":
        options["hls_time"] = str(_HLS_SEGMENT_S)
        if live:
            options |= {
                "hls_list_size": str(_HLS_LIVE_SEGMENTS),
                "hls_flags": "delete_segments+temp_file",
            }
        else:
            options |= {"hls_playlist_type": "event", "hls_flags": "temp_file"}
        if appended:
            options["hls_flags"] += "+append_list"
    container = CheckedContainer(target, container_format, options)
    if container_format == "hls":
        container.metadata["service_provider"] = MARK  # is in the head of every segment
    elif container_format in FORMATS.values():
        container.metadata["comment"] = MARK
    return container


class CheckedContainer:
    """A container of PyAV's whose files are opened and watched here: of a full disk FFmpeg's HLS
    muxer takes no notice at all, and that of fragmented MP4 none while it is closed.

    Args:
        target: A path, or the descriptor of an open file, which is closed with it.
        container_format: FFmpeg's name of the format.
        options: Options of FFmpeg's muxer.
    """

    def __init__(self, target: str | int, container_format: str, options: dict[str, str]) -> None:
        self._errors: list[OSError] = []
        self._file: _CheckedFile | None = None
        event = options.get("hls_playlist_type") == "event"
        self._event = Path(target) if event and isinstance(target, str) else None
        if container_format == "hls" and isinstance(target, str):
            self._container = av.open(
                ffmpeg_path(target), "w", format="hls", options=options, io_open=self._open
            )
            return
        self._file = _CheckedFile(target, "wb", self._errors)
        try:
            self._container = av.open(self._file, "w", format=container_format, options=options)
        except BaseException:
            self._file.close()
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def start_encoding(self) -> None:
        """As of any container.

        Raises:
            OSError: The header could not be written.
        """
        self._container.start_encoding()
        self._check()

    def mux(self, packets: Any) -> None:
        """As of any container.

        Raises:
            OSError: Something could not be written, now or before.
        """
        self._container.mux(packets)
        self._check()

    def close(self) -> None:
        """Finishes the file, or the playlist. A second call does nothing.

        Raises:
            OSError: Something could not be written.
        """
        try:
            self._container.close()
        finally:
            if self._file is not None:
                self._file.close()
            if self._errors and self._event is not None:
                _end_list(self._event)
        self._check()

    def _open(self, url: str, flags: int, options: dict[str, str]) -> Any:
        # A list that is appended to is read first; 2 is FFmpeg's AVIO_FLAG_WRITE.
        try:
            path = url.removeprefix("file:")
            return _CheckedFile(path, "wb" if flags & 2 else "rb", self._errors, in_parts=True)
        except OSError as error:  # raised here, PyAV would print it with its traceback
            if flags & 2:
                self._errors.append(error)
            return io.BytesIO()

    def _check(self) -> None:
        if self._errors:
            raise self._errors[0]


class _CheckedFile(io.FileIO):
    """A file whose first error is remembered; nothing more is written then.

    FFmpeg writes every file of a playlist (`in_parts`) under a temporary name, which it changes
    whatever became of it: what has nothing in it, and half a list, would take the place of the list
    that is whole.
    """

    def __init__(
        self, path: str | int, mode: str, errors: list[OSError], *, in_parts: bool = False
    ) -> None:
        self._errors = errors
        self._temporary = Path(str(path)) if in_parts and str(path).endswith(".tmp") else None
        super().__init__(path, mode)

    def write(self, content: Any) -> int:
        try:
            written = 0
            while written < len(content) and not self._errors:
                written += super().write(memoryview(content)[written:])
        except OSError as error:
            self._errors.append(error)
        return len(content)  # FFmpeg must not stumble over it: some of its muxers abort

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:  # a network's file system may say it only now
            self._errors.append(error)
        path = self._temporary
        if path is not None and self._errors:
            with suppress(OSError):
                if path.suffixes[-2:] == [".m3u8", ".tmp"] or not path.stat().st_size:
                    path.unlink()


def _end_list(path: Path) -> None:
    """Says in a playlist that nothing more comes: players would wait for it for ever."""
    with suppress(OSError), path.open("r+b") as file:
        if b"#EXT-X-ENDLIST" not in file.read():
            file.write(b"#EXT-X-ENDLIST\n")


def move_index_to_front(path: Path, time_base: Fraction) -> None:
    """Rewrites a fragmented MP4 as a plain one with its index first, packets and time stamps
    unchanged.

    The file is replaced in one step, so that it is whole at any moment.

    Raises:
        OSError: The disk is full, for instance; the file is then as it was.
        av.FFmpegError: The file cannot be read or written; likewise.
    """
    options = {"movflags": "faststart", **_movie_timescale(time_base)}
    container_format = FORMATS[path.suffix.lower()]
    with (
        atomic_path(path, suffix=".part") as part,
        av.open(ffmpeg_path(path)) as fragments,
        av.open(ffmpeg_path(part), "w", format=container_format, options=options) as plain,
    ):
        plain.metadata.update(fragments.metadata)
        streams = {stream.index: _copy_stream(stream, plain) for stream in fragments.streams}
        for packet in fragments.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                plain.mux(packet)
        plain.close()
        with part.open("rb") as file:
            if _end_of_boxes(file) != file.seek(0, os.SEEK_END):  # which FFmpeg need not have said
                raise OSError(errno.EIO, "the index could not be written")


def trim_to_whole_fragments(path: Path) -> None:
    """Takes the half fragment off the end of an MP4 whose disk was full, so that strict readers
    take the rest.
    """
    with path.open("r+b") as file:
        file.truncate(_end_of_boxes(file))


def _end_of_boxes(file: BinaryIO) -> int:
    """Where the last whole box of an MP4 ends; a fragment is a moof and the mdat behind it."""
    end, position, whole = file.seek(0, os.SEEK_END), 0, 0
    while position + 8 <= end:
        file.seek(position)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < 8:
            break
        position += size
        if position <= end and kind != b"moof":
            whole = position
    return whole


def _copy_stream(stream: Any, container: Any) -> Any:
    copy = container.add_stream_from_template(stream, opaque=True)
    if (
        stream.codec_context.codec_tag == "hvc1"
    ):  # the muxer would fall back to hev1, which Apple players refuse
        copy.codec_context.codec_tag = "hvc1"
    return copy


def _movie_timescale(time_base: Fraction) -> dict[str, str]:
    # Edit lists hold the start offset in units of the movie's time scale: 1 ms unless told, too
    # coarse for most sources.
    scale = time_base.denominator
    return {"movie_timescale": str(scale)} if 1000 <= scale <= 10_000_000 else {}
