"""Turn a file, bytes or an array into a safe RGB photo, or raise an error with a sentence that says why not."""

from gallop.images.file_types import DEFAULT_LIMITS, ImageLimits, declared_pixels
from gallop.images.photo import IMAGE_SUFFIXES, CropBox, ImageSource, Photo, load_image
from gallop.images.photo_files import list_images
from gallop.images.pixels import BACKGROUND

__all__ = [
    "BACKGROUND",
    "DEFAULT_LIMITS",
    "IMAGE_SUFFIXES",
    "CropBox",
    "ImageLimits",
    "ImageSource",
    "Photo",
    "declared_pixels",
    "list_images",
    "load_image",
]
