"""How cameras and network streams are opened."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import NamedTuple

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from configs.errors import SourceError, after_credentials, redact_url
from stream.sources.config import SourceConfig
from stream.sources.decoders import open_container

# Little is looked at before the first frame, so that a lost source is back soon. FFmpeg's
# `nobuffer` is not used: it throws away what was looked at, the first key frame included, and what
# it would save in delay is decoded in a few milliseconds.
_LOW_LATENCY = {"flags": "low_delay", "probesize": "1000000", "analyzeduration": "500000"}
_RTSP_PROBE_BYTES = 1 << 16  # codec and size are in the session description already
_SCHEMES = (
    "rtsp",
    "rtsps",
    "http",
    "https",
    "udp",
    "rtp",
    "tcp",
    "tls",
    "rtmp",
    "rtmps",
    "srt",
    "mmsh",
    "ftp",
)


class Reached(NamedTuple):
    """A camera or a stream that answered.

    Attributes:
        container: What is in it.
        carrier: What its bytes come through, if that is a container as well; closed after it.
    """

    container: InputContainer
    carrier: InputContainer | None = None

    def close(self) -> None:
        """Closes both."""
        self.container.close()
        if self.carrier is not None:
            self.carrier.close()


@dataclass(frozen=True, kw_only=True)
class LiveInput:
    """Something that FFmpeg can open again and again.

    Attributes:
        name: For people to read, without credentials.
        url: What FFmpeg opens; may have a password in it.
        format: FFmpeg's name of the format; None to find out.
        options: Options of FFmpeg's demuxer and protocol.
    """

    name: str
    url: str = field(repr=False)
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def connect(self, config: SourceConfig, hardware: HWAccel | None = None) -> Reached:
        """Opens it, to be decoded by `hardware` where that can.

        Raises:
            av.FFmpegError: It cannot be reached; `stream.sources.reasons` tells what that means.
        """
        # PyAV's time-outs cover every protocol and each phase apart. Its callback was said to take
        # the GIL at every poll (PyAV#1112); in 18.1 a stream beside a busy Python thread is read as
        # fast with them as without.
        timeout = (config.open_timeout_s, config.read_timeout_s)
        container = open_container(
            self.url,
            hardware,
            format=self.format,
            options=dict(self.options),
            timeout=timeout,
            metadata_errors="replace",
        )
        return Reached(container)


def network_input(url: str, config: SourceConfig) -> LiveInput:
    """The stream at `url`: RTSP, HTTP(S) with HLS and MJPEG, MPEG-TS over UDP, RTMP, SRT."""
    scheme = url.split("://", 1)[0].lower()
    options = dict(_LOW_LATENCY)
    if scheme in ("rtsp", "rtsps"):
        options |= {"rtsp_transport": config.rtsp_transport, "probesize": str(_RTSP_PROBE_BYTES)}
        if config.rtsp_transport == "tcp":
            options["reorder_queue_size"] = "0"  # TCP keeps the order
        else:
            options["buffer_size"] = str(
                1 << 21
            )  # a key frame arrives as a burst that the kernel's 208 KiB do not hold
    elif scheme == "udp":
        options |= {"overrun_nonfatal": "1", "buffer_size": str(1 << 21)}
    return LiveInput(name=display_name(url), url=url, options=options)


def camera_input(device: str, config: SourceConfig) -> LiveInput:
    """The camera with that number or, on Linux, device file: Video4Linux, AVFoundation on macOS,
    DirectShow on Windows, whose cameras are numbered as they are listed.

    Raises:
        SourceError: DirectShow lists no camera of that number.
    """
    options = {}
    if config.camera_size is not None:
        options["video_size"] = str(config.camera_size)
    if config.camera_fps is not None:
        options["framerate"] = f"{config.camera_fps:g}"
    if sys.platform == "darwin":
        options.setdefault("framerate", "30")  # what FFmpeg takes otherwise, 29.97, no Mac has
        if config.camera_format is not None:
            options["pixel_format"] = config.camera_format
        return LiveInput(
            name=f"camera {device}", url=f"{device}:none", format="avfoundation", options=options
        )
    if sys.platform == "win32":
        if config.camera_format is not None:
            key = "vcodec" if config.camera_format == "mjpeg" else "pixel_format"
            options[key] = config.camera_format
        return LiveInput(
            name=f"camera {device}",
            url=f"video={_directshow_name(device)}",
            format="dshow",
            options=options,
        )
    if config.camera_format is not None:
        options["input_format"] = config.camera_format
    path = f"/dev/video{device}" if device.isdigit() else device
    return LiveInput(name=path, url=path, format="v4l2", options=options)


def _directshow_name(device: str) -> str:
    found = [
        camera.name
        for camera in av.enumerate_input_devices("dshow")
        if not camera.media_types or "video" in camera.media_types
    ]
    if not device.isdigit() or int(device) >= len(found):
        raise SourceError(
            f"there is no camera {device!r}: Windows lists {len(found)}"
            + "".join(f", {number}: {name}" for number, name in enumerate(found))
        )
    return found[int(device)]


def is_url(spec: str) -> bool:
    """Whether `spec` is the address of a network stream."""
    scheme, separator, _ = spec.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


def is_camera(spec: str) -> bool:
    """Whether `spec` names a camera: its number, or its device file."""
    return re.fullmatch(r"[0-9]{1,2}|/dev/(video[0-9]+|v4l/.+)", spec) is not None


def display_name(url: str) -> str:
    """`url` without user, password and query, any of which may be a secret.

    A `#`, `?` or `/` in a password, which should be percent-encoded, hides none of it.
    """
    scheme, _, rest = url.partition("://")
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, _ = head.partition("/")
    _, colon, port = authority.rpartition(":")
    if not slash or "@" in head or (colon and not port.isdigit() and not port.endswith("]")):
        rest = after_credentials(rest)  # what looks like a query may be part of a password
    return redact_url(f"{scheme}://{re.split(r'[?#]', rest, maxsplit=1)[0]}")
