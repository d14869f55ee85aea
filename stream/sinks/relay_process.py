"""A process of its own that hands a stream on to a server; started by `stream.sinks.relay`, and by
its path.

Standard input: a line of JSON (`target`, `format`, `options`, `patience_s`), then the stream in
NUT. Standard output: a line `connected` once the server has taken it. Exit code 1, and the reason
on standard error, when the server refuses or is lost; ended by SIGALRM when it does not answer, or
takes nothing, for so many seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import av

# The header says all there is to know of the streams; to look for more would only hold the first
# frame back.
_AT_ONCE = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}


def main() -> int:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the end of the input ends this process
    order = json.loads(_first_line())
    patience_s = int(order["patience_s"])
    try:
        with (
            av.open("pipe:0", format="nut", options=_AT_ONCE) as source,
            av.open(
                order["target"], "w", format=order["format"], options=order["options"]
            ) as server,
        ):
            streams = {stream.index: _add(stream, server) for stream in source.streams}
            # Without a handler the signal needs no interpreter, which PyAV holds while it connects.
            signal.alarm(patience_s)
            server.start_encoding()
            signal.alarm(0)
            sys.stdout.write("connected\n")
            sys.stdout.flush()
            for packet in source.demux():
                stream = streams[packet.stream.index]
                if packet.size and stream is not None:
                    packet.dts = (
                        packet.pts if packet.dts is None else packet.dts
                    )  # NUT does not say it of the first one
                    packet.stream = stream
                    signal.alarm(patience_s)
                    server.mux(packet)
                    signal.alarm(0)
            signal.alarm(patience_s)  # for the farewell
    except (av.FFmpegError, OSError) as error:
        sys.stderr.write(str(error.strerror or error))
        return 1
    return 0


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
