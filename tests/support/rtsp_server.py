"""A real RTSP server, GStreamer's, run with the system's Python: `python3 rtsp_server.py PORT CLIP
[--user NAME:PASSWORD]`.

Serves the H.264 clip at /clip in real time, to each client from its beginning. CLIP may be a folder
of H.264 key frames instead, 00000.h264 and so on, ten a second: a camera, which from the first
viewer on goes on whether anybody looks or not. Writes `ready` when it listens. Needs Debian's
gir1.2-gst-rtsp-server-1.0, python3-gi, gstreamer1.0-plugins-good and gstreamer1.0-plugins-bad.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PACK = "h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"
CAMERA_FPS = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("clip")
    parser.add_argument("--user")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service=str(options.port), address="127.0.0.1")
    if Path(options.clip).is_dir():
        factory = Camera(options.clip)
    else:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f'( filesrc location="{options.clip}" ! qtdemux ! {PACK} )')
    if options.user:
        permit(factory)
        server.set_auth(authentication(*options.user.split(":", 1)))
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


class Camera(GstRtspServer.RTSPMediaFactory):
    """What is in front of a camera at the moment when somebody connects, and from then on."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._began_s: float | None = None

    def do_create_element(self, url: object) -> "Gst.Element":
        if self._began_s is None:
            self._began_s = time.monotonic()
        first = int((time.monotonic() - self._began_s) * CAMERA_FPS)
        caps = f"video/x-h264,stream-format=byte-stream,alignment=au,framerate={CAMERA_FPS}/1"
        element = Gst.parse_launch(f'( appsrc name=sensor format=time caps="{caps}" ! {PACK} )')
        numbers = itertools.count()
        element.get_by_name("sensor").connect("need-data", self._push, first, numbers)
        return element

    def _push(self, sensor: "Gst.Element", length: int, first: int, numbers: Iterator[int]) -> None:
        number = next(numbers)
        picture = self._folder / f"{first + number:05d}.h264"
        if not picture.exists():
            sensor.emit("end-of-stream")
            return
        buffer = Gst.Buffer.new_wrapped(picture.read_bytes())
        buffer.duration = Gst.SECOND // CAMERA_FPS
        buffer.pts = number * buffer.duration
        sensor.emit("push-buffer", buffer)


def permit(factory: "GstRtspServer.RTSPMediaFactory") -> None:
    """Lets viewers, and nobody else, see the clip."""
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def authentication(name: str, password: str) -> "GstRtspServer.RTSPAuth":
    """Makes a viewer of whoever knows the name and the password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    return auth


if __name__ == "__main__":
    main()
