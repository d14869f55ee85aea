"""MP4, MKV and streams: which container, with which options, and how a finished MP4 gets its index
to the front.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

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
        playlist = _CheckedHls(target, options)
        playlist.metadata["service_provider"] = MARK  # is in the head of every segment
        return playlist
    container = av.open(ffmpeg_path(target), "w", format=container_format, options=options)
    if container_format in FORMATS.values():
        container.metadata["comment"] = MARK
    return container


class _CheckedHls:
    """FFmpeg's HLS muxer takes no notice of a full disk; its files are opened and watched here."""

    def __init__(self, target: str, options: dict[str, str]) -> None:
        self._errors: list[OSError] = []
        self._container = av.open(
            ffmpeg_path(target), "w", format="hls", options=options, io_open=self._open
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def mux(self, packets: Any) -> None:
        """As of any container.

        Raises:
            OSError: Something could not be written, now or before.
        """
        self._container.mux(packets)
        self._check()

    def close(self) -> None:
        """Finishes the playlist.

        Raises:
            OSError: Something could not be written.
        """
        self._container.close()
        self._check()

    def _open(self, url: str, flags: int, options: dict[str, str]) -> Any:
        # A list that is appended to is read first; 2 is FFmpeg's AVIO_FLAG_WRITE.
        return _CheckedFile(url, "wb" if flags & 2 else "rb", self._errors)

    def _check(self) -> None:
        if self._errors:
            raise self._errors[0]


class _CheckedFile(io.FileIO):
    """A file whose first failed write is remembered."""

    def __init__(self, path: str, mode: str, errors: list[OSError]) -> None:
        self._errors = errors
        super().__init__(path.removeprefix("file:"), mode)

    def write(self, content: Any) -> int:
        try:
            written = 0
            while written < len(content):
                written += super().write(memoryview(content)[written:])
        except OSError as error:
            self._errors.append(error)
        return len(content)  # FFmpeg must not stumble over it: some of its muxers abort


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


def trim_to_whole_fragments(path: Path) -> None:
    """Takes the half fragment off the end of an MP4 whose disk was full, so that strict readers
    take the rest.
    """
    end, position, whole = path.stat().st_size, 0, 0
    with path.open("r+b") as file:
        while position + 8 <= end:
            file.seek(position)
            size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
            if size == 1:
                size = int.from_bytes(file.read(8), "big")
            if size < 8:
                break
            position += size
            # A fragment is a moof and the mdat that it describes.
            if position <= end and kind != b"moof":
                whole = position
        file.truncate(whole)


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
