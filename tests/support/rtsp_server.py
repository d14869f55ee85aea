"""A real RTSP server, GStreamer's, run with the system's Python: `python3 rtsp_server.py PORT CLIP
[--user NAME:PASSWORD]`.

Serves the H.264 clip at /clip in real time, to each client from its beginning. Writes `ready` when
it listens. Needs Debian's gir1.2-gst-rtsp-server-1.0, python3-gi, gstreamer1.0-plugins-good and
gstreamer1.0-plugins-bad.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("clip")
    parser.add_argument("--user")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service=str(options.port), address="127.0.0.1")
    factory = GstRtspServer.RTSPMediaFactory()
    pack = "h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"
    factory.set_launch(f'( filesrc location="{options.clip}" ! qtdemux ! {pack} )')
    if options.user:
        permit(factory)
        server.set_auth(authentication(*options.user.split(":", 1)))
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


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
