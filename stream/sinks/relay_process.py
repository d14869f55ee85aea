"""A process of its own that hands a stream on to a server; started by `stream.sinks.relay`, and by
its path.

Standard input: a line of JSON (`target`, `format`, `options`, `patience_s`), then the stream in
NUT. Standard output: a line `started` before the server is asked, `connected` once it has taken the
stream, and `sent` after packets, once a second at most. Exit code 2, and the reason on standard
error, when the server refuses or is lost; ended by SIGALRM, on Windows with exit code 1 and not a
word, when it does not answer, or takes nothing, for so many seconds.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import av

# The header says all there is to know of the streams; to look for more would only hold the first
# frame back.
_AT_ONCE = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}

_TELL_S = 1.0


def main() -> int:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the end of the input ends this process
    order = json.loads(_first_line())
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            io.FileIO(0, closefd=False) as file,
            av.open(file, format="nut", options=_AT_ONCE) as source,
            av.open(
                order["target"], "w", format=order["format"], options=order["options"]
            ) as server,
        ):
            streams = {stream.index: _add(stream, server) for stream in source.streams}
            _tell("started")
            with _patience(order["patience_s"], nowhere):
                server.start_encoding()
            _tell("connected")
            told_s = time.monotonic()
            for packet in source.demux():  # type: ignore[union-attr]
                stream = streams[packet.stream.index]
                if packet.size and stream is not None:
                    packet.dts = (
                        packet.pts if packet.dts is None else packet.dts
                    )  # NUT does not say it of the first one
                    packet.stream = stream
                    with _patience(order["patience_s"], nowhere):
                        server.mux(packet)
                    if time.monotonic() - told_s >= _TELL_S:
                        _tell("sent")
                        told_s = time.monotonic()
            with _patience(order["patience_s"], nowhere):
                server.close()
    except (av.FFmpegError, OSError) as error:
        sys.stderr.write(str(error.strerror or error))
        return 2
    return 0


def _tell(step: str) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


@contextmanager
def _patience(limit_s: int, nowhere: TextIO) -> Iterator[None]:
    """Ends the process if the block takes longer, by what needs no interpreter, which PyAV holds
    while it connects: a signal without a handler, or the thread of faulthandler where there is no
    such signal, on Windows; that one costs a thread each time.
    """
    if hasattr(signal, "alarm"):
        signal.alarm(limit_s)
        yield
        signal.alarm(0)
    else:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
        yield
        faulthandler.cancel_dump_traceback_later()


def _first_line() -> bytes:
    """Read byte by byte: what follows is FFmpeg's."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return line


def _add(stream: Any, server: Any) -> Any:
    """The same stream for the server; None for sound that it cannot carry."""
    if stream.type == "audio" and stream.codec_context.name not in server.supported_codecs:
        return None
    return server.add_stream_from_template(stream)


if __name__ == "__main__":
    sys.exit(main())
