"""A GStreamer pipeline in a process of its own: packets in, raw frames out."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any

from stream.sources.gstreamer_protocol import BUFFER, CAPS, buffer, read_message, stream_head

_FRAMES_AHEAD = 4  # decoded and not taken yet: of 1080p 3 MB each
_JOIN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Codec:
    """How GStreamer takes a codec.

    Attributes:
        caps: Of the packets.
        parser: The element in front of the decoder.
        decoders: Elements, the best first; the first one is a Jetson's.
        bitstream_filter: FFmpeg's, which makes such packets of those in files; empty if none is
            needed.
    """

    caps: str
    parser: str
    decoders: tuple[str, ...]
    bitstream_filter: str = ""


_JETSON = "nvv4l2decoder"
CODECS = {
    "h264": Codec(
        caps="video/x-h264,stream-format=byte-stream,alignment=au",
        parser="h264parse",
        # Not openh264dec: it shows a wrong picture before a key frame behind three B-frames.
        decoders=(_JETSON, "vah264dec", "v4l2h264dec", "avdec_h264"),
        bitstream_filter="h264_mp4toannexb",
    ),
    "hevc": Codec(
        caps="video/x-h265,stream-format=byte-stream,alignment=au",
        parser="h265parse",
        decoders=(_JETSON, "vah265dec", "v4l2h265dec", "avdec_h265", "libde265dec"),
        bitstream_filter="hevc_mp4toannexb",
    ),
    "mjpeg": Codec(caps="image/jpeg", parser="jpegparse", decoders=("jpegdec",)),
}
"""By FFmpeg's name."""


def find_element(codec: Codec) -> str | None:
    """The first of its decoders that is installed here; None if there is none, or no GStreamer."""
    if not has_elements("gdppay", "gdpdepay", codec.parser):
        return None
    return next((name for name in codec.decoders if has_elements(name)), None)


def has_jetson_decoder() -> bool:
    """Whether this is a Jetson whose decoder GStreamer can use."""
    return has_elements(_JETSON)


@cache
def has_elements(*names: str) -> bool:
    """Whether GStreamer is installed here, with its tools and all of these elements; never on
    Windows, where a process gets no third pipe.
    """
    if sys.platform == "win32":
        return False
    try:
        return all(
            subprocess.run(
                ["gst-inspect-1.0", "--exists", name], capture_output=True, check=False, timeout=20
            ).returncode
            == 0
            for name in names
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def describe_pipeline(codec: Codec, element: str) -> str:
    """The pipeline as gst-launch-1.0 takes it, from standard input up to what leads frames away."""
    # A Jetson's decoder leaves frames in its own memory, from which only its converter takes them.
    converter = "nvvidconv" if element == _JETSON else "videoconvert"
    return (
        f"fdsrc fd=0 ! gdpdepay ! {codec.parser} ! {element} ! {converter} ! "
        "video/x-raw,format=I420 ! gdppay"
    )


class GStreamerProcess:
    """The pipeline, running; a context manager. `take` gives what it decoded.

    Two threads keep its pipes moving, so that neither end waits for the other.

    Attributes:
        process: The child.
    """

    def __init__(self, codec: Codec, element: str) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        # Not standard output: a Jetson's decoder prints there ("Opening in BLOCKING MODE").
        frames, sink = os.pipe()
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [
                    *("gst-launch-1.0", "-q", *describe_pipeline(codec, element).split()),
                    *("!", "fdsink", f"fd={sink}", "sync=false"),
                ],
                stdin=subprocess.PIPE,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(sink,),
                start_new_session=True,  # Ctrl-C is for us: we end it when we are done
            )
        except BaseException:
            os.close(frames)
            self._said.close()
            raise
        finally:
            os.close(sink)
        self._frames = os.fdopen(frames, "rb")
        self._in: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._out: queue.Queue[tuple[bytes, int, bytes] | None] = queue.Queue(_FRAMES_AHEAD)
        self._closing = False
        self._in.put(stream_head(codec.caps))
        self._threads = [
            threading.Thread(target=work, name=f"gstreamer {work.__name__}", daemon=True)
            for work in (self._write, self._read)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, payload: bytes, time_ns: int) -> None:
        """Hands a packet over, without waiting."""
        self._in.put(buffer(payload, time_ns))

    def end(self) -> None:
        """Says that no packet follows: what is held comes out, and then the end."""
        self._in.put(None)

    def take(self, timeout_s: float) -> tuple[bytes, int, bytes] | None:
        """Caps, time stamp and pixels of the next frame; None when the process has ended.

        Raises:
            queue.Empty: Nothing came within that time.
        """
        return self._out.get(timeout=timeout_s) if timeout_s > 0 else self._out.get_nowait()

    @property
    def reason(self) -> str:
        """The first error that it wrote, or how it ended."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        told = [line for line in lines if line.startswith("ERROR") or line.startswith("WARNING")]
        if told:
            return told[0].strip()
        with suppress(subprocess.TimeoutExpired):  # its pipe is closed a little before its end
            return f"it ended with code {self.process.wait(_JOIN_S)}"
        return "it closed its pipe"

    def close(self) -> None:
        """Ends the process and the threads; a second call does nothing."""
        if self._closing:
            return
        self._closing = True
        self.process.kill()
        self.process.wait()
        self._in.put(None)
        while any(thread.is_alive() for thread in self._threads):
            with suppress(queue.Empty):  # the reader may be waiting for room
                self._out.get_nowait()
            self._threads[-1].join(0.01)
            self._threads[0].join(0.01)
        self._frames.close()
        self._said.close()

    def __enter__(self) -> GStreamerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self) -> None:
        pipe: Any = self.process.stdin
        with suppress(OSError):  # it is gone: whoever takes frames learns of that
            while (message := self._in.get()) is not None:
                pipe.write(message)
                pipe.flush()
        with suppress(OSError):
            pipe.close()

    def _read(self) -> None:
        caps = b""
        while (message := read_message(self._frames)) is not None:
            if message.kind == CAPS:
                caps = message.payload
            elif message.kind == BUFFER:
                self._out.put((caps, message.time_ns, message.payload))
        self._out.put(None)
