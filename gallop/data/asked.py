"""Photos to be asked about, without labels: whatever holds them comes in, a sequence goes out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from gallop.data.csv_table import csv_images, is_csv
from gallop.data.folders import resolve_split
from gallop.data.hugging_face import hugging_face_images, split_of
from gallop.data.labelled import LabelledPhotos
from gallop.data.listing import Listing
from gallop.data.photo_set import PhotoSet
from gallop.data.tabular.columns import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    MapStyle,
    as_list,
    find_column,
    is_column,
    is_frame,
    is_hugging_face,
    is_map_style,
    is_tensor,
    named_kind,
)
from gallop.data.tabular.frames import image_column
from gallop.data.tabular.torch_sets import dataset_images
from gallop.errors import DataError
from gallop.images import IMAGE_SUFFIXES, ImageSource, list_images

AskedPhotos: TypeAlias = ImageSource | LabelledPhotos | Listing | PhotoSet | MapStyle | Iterable[Any]
"""One image, or what holds many: a list, an array, a folder, a CSV table, a Series, a DataFrame, a data set, a dict."""
_SINGLE = (bytes, bytearray, memoryview)


def many(images: Any) -> Sequence[Any]:
    """Return images as a sequence: one image becomes a list of one, whatever holds several gives each, in its order.

    Of a folder all images are taken, those of its folders too, in natural order, as ``list_images`` lists them. Of what
    has parts, ``train/`` and ``test/`` or splits of those names, it is the test, as for ``score``. Images of a data set
    are decoded when they are asked for.

    Raises:
        DataError: what holds no images, or does not say which column they are in.
    """
    if isinstance(images, LabelledPhotos):
        return images.photos
    if isinstance(images, Listing | PhotoSet):
        return (images.test if isinstance(images, PhotoSet) else images).paths
    if isinstance(images, str | PathLike):
        return _files(images)
    if isinstance(images, list | tuple):
        return [pair[0] for pair in images] if are_pairs(images) else images
    if isinstance(images, np.ndarray) or is_tensor(images):
        return _of_array(images)
    if images is None or isinstance(images, _SINGLE) or hasattr(images, "read"):
        return [images]
    return _of_others(images)


def _of_others(images: Any) -> Sequence[Any]:
    if isinstance(images, Mapping):
        return _of_mapping(images)
    if is_hugging_face(images):
        return hugging_face_images(images)
    if is_frame(images):
        return image_column(images)
    refuse_streams(images)
    if is_column(images):
        return as_list(images)
    if hasattr(images, "__array__") and getattr(images, "ndim", None) in (2, 3):
        return [images]  # an array of another library
    if is_map_style(images):
        return dataset_images(images)
    if isinstance(images, Iterator) or (hasattr(images, "__iter__") and hasattr(images, "__len__")):
        return as_list(images)
    return [images]  # of which load_image says what is wrong, if anything is


def _files(path: str | PathLike[str]) -> Sequence[Any]:
    if os.path.isdir(path):
        folder = resolve_split(Path(path), "test")
        found = list_images(folder, recursive=True)
        if not found:
            raise DataError(f"{folder} holds no images; what is read ends in {', '.join(IMAGE_SUFFIXES)}.")
        return found
    return csv_images(path) if is_csv(path) and os.path.exists(path) else [path]


def _of_array(images: Any) -> Sequence[Any]:
    if images.ndim == 4:
        return list(images)
    if isinstance(images, np.ndarray) and images.dtype.kind in "OUT" and (images.ndim == 1 or images.shape[1:] == (1,)):
        return list(images.reshape(-1))
    return [images]


def _of_mapping(images: Mapping[Any, Any]) -> Sequence[Any]:
    if is_table(images):
        return as_list(find_column(images, IMAGE_COLUMNS))
    if any(map(is_hugging_face, images.values())):
        return hugging_face_images(split_of(images, "test"))
    return [image for some in images.values() for image in many(some)]


def are_pairs(images: Sequence[Any]) -> bool:
    """Return whether a list is one of (image, label)."""
    return len(images) > 0 and all(isinstance(pair, tuple) and len(pair) == 2 for pair in images)


def is_table(images: Mapping[Any, Any]) -> bool:
    """Return whether a dict is a table, with columns of images and of labels, and not one of classes."""
    return find_column(images, IMAGE_COLUMNS) is not None and find_column(images, LABEL_COLUMNS) is not None


def refuse_streams(images: Any) -> None:
    """Raise DataError for what gives batches, or rows without end, and say what to give in its place."""
    if hasattr(images, "dataset") and hasattr(images, "batch_size"):
        raise DataError(
            f"This is {named_kind(images)}, which gives batches; give the data set that it reads, its .dataset."
        )
    if not hasattr(images, "__len__") and hasattr(images, "__iter__") and not isinstance(images, Iterator):
        raise DataError(
            f"This is {named_kind(images)}, which does not say how many rows it has; give a data set loaded whole "
            "(streaming=False), or a list of its images."
        )
