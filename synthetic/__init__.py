"""Synthetic people: rendered pictures and clips with exact COCO-17 keypoints. The door is `python
-m synthetic`.
"""

from synthetic.images import ImageMaker, ImagesConfig, write_images

__all__ = ["ImageMaker", "ImagesConfig", "write_images"]
