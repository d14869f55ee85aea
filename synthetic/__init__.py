"""Rendered images and clips of people, with exact COCO-17 keypoints; `python -m synthetic`."""

from synthetic.images import ImageMaker, ImagesConfig, write_images

__all__ = ["ImageMaker", "ImagesConfig", "write_images"]
