"""A set by its name, from the folder where it lies; where it is not there, what is missing and where to get it."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path

from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError
from gallop.lab.paper_sets.places import CatalogueEntry
from gallop.lab.paper_sets.sets import SETS
from gallop.wording import did_you_mean, quoted


def available_datasets() -> tuple[CatalogueEntry, ...]:
    """Return what can be opened by name: eleven sets to learn from, four variants of ImageNet, four of
    unknown things.
    """
    return tuple(SETS.values())


def open_dataset(name: str, root: str | PathLike[str]) -> PhotoSet:
    """Find a set in a folder and list its files with labels, divided as CoOp divides it.

    The photos may lie in CoOp's layout or in torchvision's.

    Args:
        name: such as "oxford_pets"; CoOp's and torchvision's names for it do as well.
        root: the folder that holds the sets, or the folder of this one.

    Raises:
        DataError: an unknown name, or a set that is not there, not complete or damaged; the message says what is
            missing and where to get it.
        ClassNameError: class names that cannot be used.
    """
    known, root = find_set(name), Path(root)
    if not root.is_dir():
        raise DataError(
            f"{root} is not a folder. Pass the folder that contains the data sets, or the folder of {known.title}."
        )
    place = known.locate(root)
    if place is None:
        photos = known.photos[0] or known.inside.replace("|", " or ")
        expected = " and ".join(f"{home}/{photos}" for home in known.homes[:2])
        raise DataError(f"The photos of {known.title} are not in {root}; looked for {expected}. {_where_to_get(known)}")
    files = [place.find(file) for file in known.needs]
    missing = [name for name, file in zip(known.needs, files, strict=True) if file is None]
    if missing:
        raise DataError(
            f"To split {known.title} into training and test images, put {' and '.join(missing)} in {place.home} "
            f"({known.split}: {known.guide})."
        )
    photo_set = known.read(replace(place, files=tuple(filter(None, files))))
    if not (len(photo_set.train) or len(photo_set.test) or len(photo_set.photos)):
        raise DataError(f"No images of {known.title} were found in {place.photos}. {_where_to_get(known)}")
    return replace(photo_set, folder=place.photos, split=known.split, expected_classes=known.classes)


def find_set(name: str) -> CatalogueEntry:
    """Return what is known of a set. Case, ``_``, ``-`` and spaces do not count.

    Raises:
        DataError: an unknown name; the nearest ones are named.
    """
    spelled = {_plain(word): each.name for each in SETS.values() for word in (each.name, each.title, *each.aliases)}
    if _plain(name) in spelled:
        return SETS[spelled[_plain(name)]]
    near = did_you_mean(_plain(name), spelled, spelled) or f" Choose one of {', '.join(SETS)}."
    raise DataError(f"There is no data set {quoted(name)}.{near}")


def _plain(name: str) -> str:
    return "".join(char for char in str(name).casefold() if char.isalnum())


def _where_to_get(known: CatalogueEntry) -> str:
    if known.torchvision is None:
        return f"Get them from {known.address}."
    return (
        f"Get them from {known.address}, or download them with torchvision.datasets.{known.torchvision}(DIR, "
        "download=True)."
    )
