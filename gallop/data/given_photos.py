"""What users give in place of photos, with labels or without: any container of them comes in, photos go out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from gallop.data.class_folders import read_folder, resolve_split
from gallop.data.labelled import ContentHash, LabelledPhotos, PhotoSource, content_hash, distinct_photos, in_words
from gallop.data.listing import LazyImages, Listing, Rows
from gallop.data.photo_set import PhotoSet
from gallop.data.project_file import project_photos
from gallop.data.tabular.columns import (
    MapStyle,
    as_list,
    is_frame,
    is_hugging_face,
    is_map_style,
    is_tensor,
    label_names,
)
from gallop.data.tabular.data_sets import data_set_table, frame_table, split_of
from gallop.data.tabular.tables import ImageTable, csv_table, from_csv
from gallop.errors import DataError, warn_caller
from gallop.images import IMAGE_SUFFIXES, ImageSource, list_images, load_image
from gallop.names.class_names import SOMETHING_ELSE, clean_names, missing_names, several_labels, spelled_as
from gallop.wording import listed, named_kind

AskedPhotos: TypeAlias = ImageSource | LabelledPhotos | Listing | PhotoSet | MapStyle | Iterable[Any]
"""One image, or what holds many: a list, an array, a folder, a CSV table, a Series, a DataFrame, a data set, a dict."""
GivenPhotos: TypeAlias = AskedPhotos
"""What holds photos and labels: a folder, a CSV table, a DataFrame, a data set, a dict of names and images; or images
alone, with labels beside them."""
GivenLabels: TypeAlias = Iterable[str] | Iterable[int] | MapStyle
"""Class names, or numbers with ``class_names``: a list, an array, a Series or a column."""
_FILES = (str, PathLike, bytes, bytearray, memoryview)
_WAYS = (
    "Pass their class names too, or images and labels together: the path of a folder of class folders or of a CSV "
    "table, a DataFrame with the columns image and label, a data set of (image, label), or a dict of class names and "
    "their images"
)


def many(images: Any) -> Sequence[Any]:
    """Return images as a sequence: one image becomes a list of one, a container gives each of its images, in its order.

    Of a folder all images are taken, those of its folders too, in natural order, as ``list_images`` lists them. Of what
    has parts, ``train/`` and ``test/`` or splits of those names, it is the test, as for ``score``. Images of a data set
    are decoded when they are asked for.

    Raises:
        DataError: what holds no images, or does not say which column they are in.
    """
    if isinstance(images, str | PathLike):
        return _files(images)
    if isinstance(images, list | tuple):
        return [pair[0] for pair in images] if _are_pairs(images) else images
    found = _recognised(images, "test")
    if found is not None:
        return found.paths if isinstance(found, Listing) else found.photos
    if isinstance(images, np.ndarray) or is_tensor(images):
        if images.ndim == 4:
            return list(images)
        texts = images.ndim in (1, 2) and not is_tensor(images) and images.dtype.kind in "OUT"
        return list(images.reshape(-1)) if texts and images.shape[1:] in ((), (1,)) else [images]
    if isinstance(images, _FILES) or hasattr(images, "read") or getattr(images, "ndim", None) in (2, 3):
        return [images]  # of which load_image says what is wrong, if anything is
    several = isinstance(images, Iterator) or hasattr(images, "__len__")
    return as_list(images) if several and hasattr(images, "__iter__") else [images]


def _recognised(images: Any, split: str) -> LabelledPhotos | Listing | ImageTable | None:
    """What holds images in rows, or labelled photos; None for images alone, or one image.

    Args:
        split: the part that is taken of what has several.
    """
    if isinstance(images, PhotoSet):
        images = getattr(images, split)
    if isinstance(images, LabelledPhotos | Listing):
        return images
    if isinstance(images, Mapping):
        if not any(map(is_hugging_face, images.values())):
            return _dict_table(images)
        images = split_of(images, split)
    if is_hugging_face(images) or is_frame(images):
        return frame_table(images)
    _refuse_streams(images)
    if isinstance(images, list | tuple):
        return data_set_table(images) if _are_pairs(images) else None
    alone = isinstance(images, _FILES) or hasattr(images, "__array__")  # as columns and tensors have it, too
    return None if alone or not is_map_style(images) else data_set_table(images)


def _files(path: str | PathLike[str]) -> Sequence[Any]:
    if os.path.isdir(path):
        folder = resolve_split(Path(path), "test")
        files = list_images(folder, recursive=True)
        if not files:
            raise DataError(
                f"{folder} contains no images. Only files that end in {', '.join(IMAGE_SUFFIXES)} are read."
            )
        return files
    kind = Path(path).suffix.lower()
    if kind == ".zip":
        return project_photos(path, split="test").photos
    return csv_table(path, ("path",)).photos if kind == ".csv" and os.path.exists(path) else [path]


def _dict_table(images: Mapping[Any, Any]) -> ImageTable:
    """The images of a dict of class names and images."""
    parts = [many(some) for some in images.values()]

    def names(class_names: Sequence[str] | None) -> list[str]:
        keys = clean_names(label_names(list(images), class_names, what="Key {row} of the dict"))
        for name, some in zip(keys, parts, strict=True):
            if not len(some):
                raise DataError(f"The class {name!r} has no images in the dict. Add some, or remove the class.")
        return [name for name, some in zip(keys, parts, strict=True) for _ in some]

    return ImageTable("The dict", [image for some in parts for image in some], names, alphabetical=False)


def _are_pairs(images: Sequence[Any]) -> bool:
    """Return whether a list is one of (image, label)."""
    return len(images) > 0 and all(isinstance(pair, tuple) and len(pair) == 2 for pair in images)


def _refuse_streams(images: Any) -> None:
    """Raise DataError for what gives batches, or rows without end, and say what to give in its place."""
    if hasattr(images, "dataset") and hasattr(images, "batch_size"):
        raise DataError(
            f"Images cannot be taken from {named_kind(images)}, because it gives batches. Pass its data set "
            "(.dataset) instead."
        )
    if not hasattr(images, "__len__") and hasattr(images, "__iter__") and not isinstance(images, Iterator):
        raise DataError(
            f"Images cannot be taken from {named_kind(images)} of unknown length. Pass a data set that is loaded "
            "completely (streaming=False), or a list of its images."
        )


def labelled_photos(
    images: Any, labels: Any, *, split: str, class_names: Sequence[str] | None = None
) -> tuple[Sequence[PhotoSource], list[str]]:
    """Return photos and their clean class names, from images with labels or from what holds both (``GivenPhotos``).

    To test (``split`` is not "train"), images of a data set are decoded when they are asked for.

    Args:
        class_names: the meanings of numbers among the labels.

    Raises:
        DataError: no labels, not one label for each image, or to train a class without images.
    """
    if labels is None:
        source = _source(images, split, class_names, content_hash)
        if split == "train":
            source = _drawn(source, None, seed=0, allow_fewer=True)
        return source.paths if isinstance(source, Listing) else source.photos, source.names
    if isinstance(images, LabelledPhotos | Listing | PhotoSet) or (
        isinstance(images, str | PathLike) and os.path.isdir(images)
    ):
        what = "A folder" if isinstance(images, str | PathLike) else f"A {type(images).__name__}"
        raise DataError(
            f"{what} already contains class names, so labels cannot be added. Leave out the labels "
            "argument, or pass the images as a list."
        )
    photos = many(images)
    if split == "train" or not isinstance(photos, LazyImages):
        photos = [Path(image) if isinstance(image, str | PathLike) else load_image(image) for image in photos]
    names = label_names(labels, class_names)
    if len(photos) != len(names) or not photos:
        raise DataError(f"There are {len(photos)} images and {len(names)} labels. Pass one label for each image.")
    return photos, names


def _source(
    images: Any, split: str, class_names: Sequence[str] | None, content: ContentHash
) -> LabelledPhotos | Listing | Rows:
    """The source of photos and labels, read as far as is needed to know them."""
    if isinstance(images, str | PathLike):
        return labelled_path(images, split=split, content=content)
    if isinstance(images, Mapping) and not images:
        raise DataError("The dict is empty. Pass a dict that maps each class name to its images.")
    found = _recognised(images, split)
    if found is None:
        raise DataError(f"Images (here: {named_kind(images)}) came without labels. {_WAYS}.")
    return found.labelled(split, content, class_names) if isinstance(found, ImageTable) else found


def labelled_path(path: str | PathLike[str], *, split: str, content: ContentHash) -> LabelledPhotos:
    """Return the photos of a table where the path ends in .csv, of a project where it ends in .zip, otherwise of a
    folder of class folders.

    Raises:
        DataError: as ``from_csv``, ``project_photos`` and ``read_folder``.
    """
    kind = "" if Path(path).is_dir() else Path(path).suffix.lower()
    if kind == ".csv":
        return from_csv(path, split=split, content=content)
    if kind == ".zip":
        return project_photos(path, split=split)
    return read_folder(Path(path), split=split, content=content)


def _drawn(
    source: LabelledPhotos | Listing | Rows, shots: int | None, *, seed: int, allow_fewer: bool
) -> LabelledPhotos:
    """Draw shots to learn from; None takes all."""
    if isinstance(source, Rows):
        source, shots = source.draw(shots, seed=seed, allow_fewer=allow_fewer), None
    if shots is None:
        return source.draw(max(len(source), 1), seed=seed, allow_fewer=True)
    return source.draw(shots, seed=seed, allow_fewer=allow_fewer)


def training_set(
    images: Any,
    labels: Any,
    *,
    shots: int | None,
    seed: int,
    allow_fewer: bool,
    content: ContentHash = content_hash,
    class_names: Sequence[str] | None = None,
    fewest: int = 2,
) -> LabelledPhotos:
    """Return what ``labelled_photos`` gives for training, each picture once; of lists, too, a draw of shots.

    The classes are in the order of ``class_names``, or in order of appearance; there must be at least ``fewest``.
    ``content`` is for files of a folder or table, as in ``read_folder``.

    Raises:
        DataError: as there and in ``distinct_photos``, a single class, or one of ``class_names`` without images.
        ClassNameError: names that differ in upper and lower case alone.
    """
    if labels is None:
        source = _source(images, "train", class_names, content)
        drawn = _drawn(source, shots, seed=seed, allow_fewer=allow_fewer)
        distinct = distinct_photos(drawn.photos, drawn.names, drawn.hashes, skipped=drawn.skipped)
    else:
        distinct = distinct_photos(*labelled_photos(images, labels, split="train", class_names=class_names))
    there = clean_names(distinct.class_names if class_names is None else class_names)
    names = distinct.names
    if class_names is not None:
        names = spelled_as(names, there)
        _check_all_there(names, there)
    if len(there) < fewest:
        raise DataError(
            f"All images are of one class, {there[0]!r}. Training needs two or more classes. To ask whether a photo "
            f"shows it or not, fit with class_names=[{there[0]!r}, {SOMETHING_ELSE!r}]. For prediction with one class, "
            "use zero_shot."
        )
    data = replace(distinct, labels=tuple(map(there.index, names)), class_names=there)
    return data if labels is None or shots is None else data.draw(shots, seed=seed, allow_fewer=allow_fewer)


def _check_all_there(names: Sequence[str], class_names: Sequence[str]) -> None:
    """Refuse class names without images, and images of none of them."""
    there = list(dict.fromkeys(names))
    empty, unknown = missing_names(class_names, there), missing_names(there, class_names)
    if empty:
        raise DataError(
            f"class_names contains classes without images: {listed(empty)}. Add images, or correct class_names."
        )
    if unknown:
        raise DataError(
            f"Some images are labelled {listed(unknown)}, which class_names does not contain. Add the missing names, "
            "or correct the labels."
        )


def photos_together(parts: Sequence[LabelledPhotos], class_names: Sequence[str]) -> LabelledPhotos:
    """Return the photos of all parts, each picture once, with the indices of ``class_names``, which hold all of theirs.

    Raises:
        DataError: one picture with two class names.
    """
    return distinct_photos(
        [photo for part in parts for photo in part.photos],
        [name for part in parts for name in part.names],
        [digest for part in parts for digest in part.hashes],
        class_names,
        [place for part in parts for place in part.skipped],
    )


def warn_of_data(data: LabelledPhotos) -> None:
    """Warn of files that could not be read, and of class names that look like several labels, if there are any."""
    if several := several_labels(data.class_names):
        warn_caller(
            f"A photo has one class; {listed(several)}, which may be several labels of a photo, is learned as one "
            "class. Give each photo the one name that fits best."
        )
    if data.skipped:
        (where, reason), count = data.skipped[0], len(data.skipped)
        more = f" (and {count - 1} more, see skipped_)" if count > 1 else ""
        warn_caller(f"{in_words(where)} was skipped{more}: {reason}")
