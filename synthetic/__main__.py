"""`python -m synthetic images | clip | bodies`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from basics.program import run_program
from basics.progress import progress_bar
from configs.flags import FlagParser, add_flags, from_namespace, run_command
from synthetic.bodies import BODIES
from synthetic.clip import ClipConfig, write_clip
from synthetic.images import ImagesConfig, write_images


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0, or 2 after `error: ...` on stderr, or 130 after Ctrl-C; what was
    finished is on disk.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s")
    return run_command(lambda: _run(make_parser().parse_args(arguments)))


def _run(options: argparse.Namespace) -> int:
    if options.command == "images":
        images = from_namespace(ImagesConfig, options)
        with progress_bar("images", images.count) as advance:
            path = write_images(images, options.output, lambda _: advance())
        print(f"wrote {images.count} images and {path}")
    elif options.command == "clip":
        clip = from_namespace(ClipConfig, options)
        with progress_bar("frames", clip.frames) as advance:
            write_clip(clip, options.output, options.truth, lambda _: advance())
        print(f"wrote {options.output}" + (f" and {options.truth}" if options.truth else ""))
    else:
        from synthetic.bake import bake_bodies

        bake_bodies(options.output)
        print(f"wrote {options.output}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = FlagParser(prog="python -m synthetic", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="images|clip|bodies")

    images = commands.add_parser("images", help="random images with people, and a COCO file")
    add_flags(images, ImagesConfig)
    images.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="folder for the images and annotations.json",
        metavar="DIR",
    )

    clip = commands.add_parser(
        "clip", help="a clip of people who walk about, and where their keypoints are"
    )
    add_flags(clip, ClipConfig)
    clip.add_argument("-o", "--output", type=Path, required=True, help="the clip", metavar="MP4")
    clip.add_argument("--truth", type=Path, help="where the keypoints go", metavar="JSON.GZ")

    bodies = commands.add_parser(
        "bodies", help="bake the bodies anew from the package anny (needs torch)"
    )
    bodies.add_argument(
        "-o",
        "--output",
        type=Path,
        default=BODIES,
        help="default: where this program reads them",
        metavar="NPZ",
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_program(main))
