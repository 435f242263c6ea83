"""What ``fit`` and ``score`` are given: whatever holds photos and labels comes in, photos and class names go out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from gallop.data.asked import AskedPhotos, are_pairs, is_table, many, refuse_streams
from gallop.data.csv_table import from_csv, is_csv
from gallop.data.folders import read_folder
from gallop.data.hugging_face import hugging_face_rows, split_of
from gallop.data.labelled import ContentHash, LabelledPhotos, PhotoSource, content_hash
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
from gallop.data.tabular.files import TableNames, photos_of_rows, rows_of_files
from gallop.data.tabular.frames import labelled_frame
from gallop.data.tabular.labels import label_names
from gallop.data.tabular.lazy import LazyImages, Rows
from gallop.data.tabular.torch_sets import labelled_dataset
from gallop.errors import DataError
from gallop.images import load_image
from gallop.names.class_names import clean_names, missing_names, spelled_as
from gallop.wording import listed

GivenPhotos: TypeAlias = AskedPhotos
"""What holds photos and labels: a folder, a CSV table, a DataFrame, a data set, a dict of names and images; or images
alone, with labels beside them."""
GivenLabels: TypeAlias = Iterable[str] | Iterable[int] | MapStyle
"""Class names, or numbers with ``class_names``: a list, an array, a Series or a column."""
_WAYS = (
    "give their class names too, or what holds both: the path of a folder of class folders or of a CSV table, a "
    "DataFrame with the columns image and label, a data set of (image, label), or a dict of names and their images"
)


def labelled_photos(
    images: Any,
    labels: Any,
    *,
    split: str,
    class_names: Sequence[str] | None = None,
    shots: int | None = None,
    seed: int = 0,
    allow_fewer: bool = False,
) -> tuple[Sequence[PhotoSource], list[str]]:
    """Return photos and their clean class names, from images with labels or from what holds both (``GivenPhotos``).

    To test (``split`` is not "train"), images of a data set are decoded when they are asked for.

    Args:
        class_names: what numbers among the labels stand for.
        shots: images of each class to draw from what holds both; None takes all, as it does of others.

    Raises:
        DataError: no labels, not one label for each image, or a class that is short (to train, empty).
    """
    if labels is None:
        source = _source(images, split, class_names, content_hash)
        if isinstance(source, Listing) and split != "train":
            return source.paths, source.names
        if isinstance(source, Rows) and split != "train":
            return source.lazily(), list(source.names)
        dataset = _drawn(source, split=split, shots=shots, seed=seed, allow_fewer=allow_fewer)
        return list(dataset.photos), dataset.names
    if isinstance(images, LabelledPhotos | Listing | PhotoSet) or (
        isinstance(images, str | PathLike) and os.path.isdir(images)
    ):
        what = "A folder" if isinstance(images, str | PathLike) else f"What {type(images).__name__} holds"
        raise DataError(f"{what} has class names of its own; leave labels away, or give the images as a list.")
    photos = many(images)
    if split == "train" or not isinstance(photos, LazyImages):
        photos = [Path(image) if isinstance(image, str | PathLike) else load_image(image) for image in photos]
    names = label_names(labels, class_names)
    if len(photos) != len(names) or not photos:
        raise DataError(f"There are {len(photos)} images and {len(names)} labels; give one label for each image.")
    return photos, names


def _source(
    images: Any, split: str, class_names: Sequence[str] | None, content: ContentHash
) -> LabelledPhotos | Listing | Rows:
    """What holds photos and labels, read as far as it has to be to know them."""
    how: dict[str, Any] = {"content": content, "class_names": class_names}
    if isinstance(images, PhotoSet):
        images = getattr(images, split)
    if isinstance(images, LabelledPhotos | Listing):
        return images
    if isinstance(images, str | PathLike):
        return labelled_path(images, split=split, content=content)
    if isinstance(images, Mapping):
        return _of_mapping(images, split, how)
    if is_hugging_face(images):
        return hugging_face_rows(images, class_names=class_names)
    if is_frame(images):
        return labelled_frame(images, split=split, **how)
    refuse_streams(images)
    if isinstance(images, list | tuple) and not are_pairs(images):
        raise DataError(f"Images came without labels; {_WAYS}.")
    if is_column(images) or is_tensor(images) or hasattr(images, "__array__") or not is_map_style(images):
        raise DataError(f"Images (here: {named_kind(images)}) came without labels; {_WAYS}.")
    return labelled_dataset(images, **how)


def labelled_path(path: str | PathLike[str], *, split: str, content: ContentHash) -> LabelledPhotos:
    """Return the photos of a table where the path ends in .csv, otherwise of a folder of class folders.

    Raises:
        DataError: as ``from_csv`` and ``read_folder``.
    """
    if is_csv(path) and not Path(path).is_dir():
        return from_csv(path, split=split, content=content)
    return read_folder(Path(path), split=split, content=content)


def _of_mapping(images: Mapping[Any, Any], split: str, how: dict[str, Any]) -> LabelledPhotos | Rows:
    if not images:
        raise DataError("The dict is empty; give class names and the images of each.")
    if any(map(is_hugging_face, images.values())):
        return hugging_face_rows(split_of(images, split), class_names=how["class_names"])
    if is_table(images):
        pairs = as_list(find_column(images, IMAGE_COLUMNS)), as_list(find_column(images, LABEL_COLUMNS))
        if len(pairs[0]) != len(pairs[1]):
            raise DataError(f"There are {len(pairs[0])} images and {len(pairs[1])} labels; give one label for each.")
        return labelled_dataset(list(zip(*pairs, strict=True)), **how)
    return _by_class(images, how)


def _by_class(images: Mapping[Any, Any], how: dict[str, Any]) -> LabelledPhotos | Rows:
    """A dict of class names and the images of each."""
    keys = clean_names(label_names(list(images), how["class_names"], what="Key {row} of the dict"))
    found: list[Any] = []
    names: list[str] = []
    for name, some in zip(keys, images.values(), strict=True):
        own = many(some)
        if not len(own):
            raise DataError(f"The class {name!r} has no images in the dict; add some or take it away.")
        found += own
        names += [name] * len(own)
    if all(isinstance(image, str | PathLike) for image in found):
        table = TableNames("The dict", "the dict", "image", Path.cwd())
        order = how["class_names"] or keys
        return photos_of_rows(rows_of_files(found, names), table, split="train", content=how["content"], order=order)
    return Rows(lambda i: found[i], names, range(len(found)))


def _drawn(
    source: LabelledPhotos | Listing | Rows, *, split: str, shots: int | None, seed: int, allow_fewer: bool
) -> LabelledPhotos:
    if isinstance(source, Listing):
        return source.draw(shots or max(len(source), 1), seed=seed, allow_fewer=allow_fewer or shots is None)
    if isinstance(source, Rows):
        source, shots = source.drawn(shots, seed=seed, allow_fewer=allow_fewer), None
    if shots is not None:
        return source.draw(shots, seed=seed, allow_fewer=allow_fewer)
    return source.draw(len(source), seed=seed, allow_fewer=True) if split == "train" else source


def distinct_photos(
    photos: Sequence[PhotoSource], names: Sequence[str], hashes: Iterable[str] | None = None
) -> tuple[list[PhotoSource], list[str], list[str]]:
    """Return photos, class names and content hashes, each picture once: a second copy could be held out from the first.

    Args:
        hashes: of the photos, where they are known; else each is decoded for its own.

    Raises:
        DataError: one picture with two class names.
    """
    kept: dict[str, tuple[PhotoSource, str]] = {}
    digests = (load_image(photo).sha256 for photo in photos) if hashes is None else hashes
    for i, (photo, name, digest) in enumerate(zip(photos, names, digests, strict=True)):
        first, first_name = kept.setdefault(digest, (photo, name))
        if first_name != name:
            what = f"{first} and {photo}" if isinstance(first, Path) and isinstance(photo, Path) else f"Image {i + 1}"
            raise DataError(f"{what}: the same picture is labelled {first_name!r} and {name!r}; take one away.")
    return [photo for photo, _ in kept.values()], [name for _, name in kept.values()], list(kept)


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
    """Return what ``labelled_photos`` finds for training, each picture once; of lists, too, a draw of shots.

    The classes are in the order of ``class_names``, or in that in which they first came; ``fewest`` there must be.
    ``content`` is for files of a folder or table, as in ``read_folder``.

    Raises:
        DataError: as there and in ``distinct_photos``, a single class, or one of ``class_names`` without images.
        ClassNameError: names that differ in upper and lower case alone.
    """
    skipped: tuple[tuple[Path | int, str], ...] = ()
    if labels is None:
        source = _source(images, "train", class_names, content)
        drawn = _drawn(source, split="train", shots=shots, seed=seed, allow_fewer=allow_fewer)
        photos, names, hashes = distinct_photos(drawn.photos, drawn.names, drawn.hashes)
        skipped = drawn.skipped
    else:
        found = labelled_photos(images, labels, split="train", class_names=class_names)
        photos, names, hashes = distinct_photos(*found)
    if class_names is None:
        there = clean_names(dict.fromkeys(names))
    else:
        there = clean_names(class_names)
        names = spelled_as(names, there)
        _check_all_there(names, there)
    if len(there) < fewest:
        only = f"All images are of one class, {there[0]!r}"
        raise DataError(f"{only}; training needs two or more. Prediction with one class works: use zero_shot.")
    data = LabelledPhotos(tuple(photos), tuple(hashes), tuple(map(there.index, names)), there, skipped)
    return data if labels is None or shots is None else data.draw(shots, seed=seed, allow_fewer=allow_fewer)


def _check_all_there(names: Sequence[str], class_names: Sequence[str]) -> None:
    """Refuse class names without images, and images of none of them."""
    there = list(dict.fromkeys(names))
    empty, unknown = missing_names(class_names, there), missing_names(there, class_names)
    if empty:
        raise DataError(
            f"There are no images of {listed(empty)}, named in class_names; add some, or take it out there."
        )
    if unknown:
        raise DataError(f"Images are of {listed(unknown)}, which class_names does not name; add it there.")
