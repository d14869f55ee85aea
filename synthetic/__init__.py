"""Rendered images and clips of people, with exact COCO-17 keypoints; `python -m synthetic`."""

from basics.quiet_start import leave_quietly

leave_quietly(__name__)

from synthetic.images import ImageMaker, ImagesConfig, write_images

__all__ = ["ImageMaker", "ImagesConfig", "write_images"]
