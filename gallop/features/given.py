"""Features that are known already, of any model, in place of photos."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from PIL import Image

from gallop.errors import DataError
from gallop.features.cache import ImageFeatures
from gallop.images import ImageSource, Photo, load_image

Several: TypeAlias = list[Any] | tuple[Any, ...] | ImageFeatures
"""Images that ``explain`` answers with a list."""

_SIDE = 224


@dataclass(frozen=True, eq=False)
class EncodedPhoto(Photo):
    """A photo whose features (B = 1) are known, so that nothing is encoded; ``sha256`` is over them.

    Its picture is what maps are drawn on, grey where none was given; the model is taken to have seen all of it.
    """

    features: ImageFeatures = field(kw_only=True)


def encoded_photos(features: ImageFeatures, photos: Sequence[ImageSource] | None = None) -> list[EncodedPhoto]:
    """Return each image of some features as a photo that is encoded already.

    Args:
        photos: what maps are drawn on, one for each image.

    Raises:
        DataError: not one photo for each image.
        ImageError: a photo that cannot be read.
    """
    if photos is not None and len(photos) != len(features):
        raise DataError(
            f"There are {len(photos)} photos, but features for {len(features)} images. Pass one photo per image."
        )
    made = []
    for i, one in enumerate(features.split(1)):
        digest = hashlib.sha256()
        for tensor in (tensor for look in one.looks for tensor in look.tensors.values()):
            digest.update(f"{tuple(tensor.shape)}".encode() + tensor.cpu().contiguous().numpy().tobytes())
        image = Image.new("RGB", (_SIDE, _SIDE), "gray") if photos is None else load_image(photos[i]).image
        made.append(EncodedPhoto(image, f"image {i}", digest.hexdigest(), features=one))
    return made


def as_features(images: Any) -> Any:
    """Return a pair of arrays (B, D) and (B, R, V) as ``ImageFeatures``; anything else as it is.

    Whether a model can take them is checked where they meet its backbone: ``gallop.features.encoding.checked``.

    Raises:
        DataError: global features and those of regions are of different numbers of images.
    """
    if isinstance(images, tuple) and [getattr(each, "ndim", 0) for each in images] == [2, 3]:
        images = ImageFeatures(images[0], images[1]).each(lambda each: torch.as_tensor(each).float())
    if isinstance(images, ImageFeatures):
        images = images.each(torch.as_tensor)  # they may be numpy's arrays
        for tensor in (tensor for look in images.looks for tensor in look.tensors.values()):
            if len(tensor) != len(images):
                raise DataError(
                    f"There are global features for {len(images)} images, but other features for {len(tensor)}. Pass "
                    "all of them for the same images."
                )
    return images


def given(images: Any) -> Any:
    """Return features, as ``as_features`` accepts them, as encoded photos; anything else as it is.

    Raises:
        DataError: as there.
    """
    images = as_features(images)
    return encoded_photos(images) if isinstance(images, ImageFeatures) else images
