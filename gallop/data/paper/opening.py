"""``open_dataset``: a set by its name, from the folder where it already lies."""

from __future__ import annotations

import difflib
from dataclasses import replace
from os import PathLike
from pathlib import Path

from gallop.data.paper.places import CatalogueEntry, FoundSet, Split
from gallop.data.paper.sets import SETS
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError


def available_datasets() -> tuple[CatalogueEntry, ...]:
    """Return what can be opened by name: eleven sets to learn from, four variants of ImageNet, four of
    unknown things.
    """
    return tuple(SETS.values())


def open_dataset(name: str, root: str | PathLike[str]) -> PhotoSet:
    """Find a set in a folder and list its files with labels, in CoOp's layout or in torchvision's.

    CoOp's split is taken where its file is there, otherwise the set's own.

    Args:
        name: such as "oxford_pets"; CoOp's and torchvision's names for it do as well.
        root: the folder that holds the sets, or the folder of this one.

    Raises:
        DataError: an unknown name, or a set that is not there, not complete or damaged; the message says what is
            missing and where to get it.
        ClassNameError: class names that cannot be used.
    """
    known, folder = find_set(name), Path(root)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the one that holds the data sets, or that of {known.title}.")
    place = known.locate(folder)
    if place is None:
        raise DataError(f"{not_found(known, folder)} {where_to_get(known)}")
    split = pick_split(known, place)
    if split is None:
        raise DataError(_no_split(known, place))
    found = split.read(place)
    if not (len(found.train) or len(found.test) or len(found.photos)):
        raise DataError(f"{known.title} in {place.photos} holds no images. {where_to_get(known)}")
    return replace(found, folder=place.photos, split=split.title, whole=known.classes)


def find_set(name: str) -> CatalogueEntry:
    """Return what is known of a set. Case, ``_``, ``-`` and spaces do not count.

    Raises:
        DataError: an unknown name; the nearest ones are named.
    """
    spelled = {_plain(word): known for known in SETS.values() for word in (known.name, known.title, *known.aliases)}
    found = spelled.get(_plain(name))
    if found is not None:
        return found
    near = dict.fromkeys(spelled[word].name for word in difflib.get_close_matches(_plain(name), spelled))
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(SETS)}."
    raise DataError(f"There is no data set {str(name)[:80]!r}; {hint}")


def _plain(name: str) -> str:
    return "".join(char for char in str(name).casefold() if char.isalnum())


def pick_split(known: CatalogueEntry, place: FoundSet) -> Split | None:
    """Return the first way to divide the set that has all it needs."""
    for split in known.splits:
        if all(piece.need != "to open" or place.find(piece.path) for piece in split.pieces):
            return split
    return None


def not_found(known: CatalogueEntry, root: Path) -> str:
    """Return the sentence that says where the photos were looked for."""
    return f"The photos of {known.title} are not in {root}; looked for {' and '.join(expected(known))}."


def expected(known: CatalogueEntry) -> list[str]:
    """Return the folders of photos that would have been taken, below the one that is given."""
    photos = known.photos[0] or known.inside.replace("|", " or ")
    return [f"{home}/{photos}" for home in known.homes[:2]]


def where_to_get(known: CatalogueEntry) -> str:
    """Return the sentence that says where the photos are to be had."""
    if known.torchvision is None:
        return f"Get them from {known.address}."
    return (
        f"Get them from {known.address}, or let torchvision.datasets.{known.torchvision} download them: "
        f"`gallop data check {known.name} DIR --download`."
    )


def _no_split(known: CatalogueEntry, place: FoundSet) -> str:
    ways = []
    for split in known.splits:
        pieces = [piece for piece in split.pieces if piece.need == "to open" and not place.find(piece.path)]
        ways.append(f"{' and '.join(piece.path for piece in pieces)} ({split.title}: {pieces[0].address})")
    return f"{place.home} says nowhere which images of {known.title} are for training; put there {', or '.join(ways)}."
