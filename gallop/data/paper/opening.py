"""A set by its name, from the folder where it lies: what of it is there, where to get the rest, and the set itself."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from gallop.data.paper.places import CatalogueEntry, FoundSet, Split
from gallop.data.paper.sets import SETS
from gallop.data.photo_set import PhotoSet
from gallop.errors import ClassNameError, DataError
from gallop.runtime.writing import make_folder
from gallop.wording import one_line


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
    known, place = _locate(name, Path(root))
    if place is None:
        raise DataError(
            f"The photos of {known.title} are not in {Path(root)}; looked for {' and '.join(_expected(known))}. "
            f"{_where_to_get(known)}"
        )
    split = _pick_split(known, place)
    if split is None:
        ways = []
        for way in known.splits:
            pieces = [piece for piece in way.pieces if piece.need == "to open" and not place.find(piece.path)]
            ways.append(f"{' and '.join(piece.path for piece in pieces)} ({way.title}: {pieces[0].address})")
        raise DataError(
            f"{place.home} says nowhere which images of {known.title} are for training; put there {', or '.join(ways)}."
        )
    found = split.read(place)
    if not (len(found.train) or len(found.test) or len(found.photos)):
        raise DataError(f"{known.title} in {place.photos} holds no images. {_where_to_get(known)}")
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


def _locate(name: str, root: Path) -> tuple[CatalogueEntry, FoundSet | None]:
    """What is known of a set, and where it is."""
    known = find_set(name)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the one that holds the data sets, or that of {known.title}.")
    return known, known.locate(root)


def _pick_split(known: CatalogueEntry, place: FoundSet) -> Split | None:
    """The first way to divide the set that has all it needs."""
    for split in known.splits:
        if all(piece.need != "to open" or place.find(piece.path) for piece in split.pieces):
            return split
    return None


def _expected(known: CatalogueEntry) -> list[str]:
    """The folders of photos that would have been taken, below the one that is given."""
    photos = known.photos[0] or known.inside.replace("|", " or ")
    return [f"{home}/{photos}" for home in known.homes[:2]]


def _where_to_get(known: CatalogueEntry) -> str:
    if known.torchvision is None:
        return f"Get them from {known.address}."
    return (
        f"Get them from {known.address}, or let torchvision.datasets.{known.torchvision} download them: "
        f"`gallop data check {known.name} DIR --download`."
    )


@dataclass(frozen=True)
class Missing:
    """A piece of a set that is not there.

    Attributes:
        what: file or folder.
        needed: whether the set is incomplete without it.
        address: where to get it.
        torchvision: the class that downloads it, where there is one.
        note: what it is good for, or what would do instead.
    """

    what: str
    needed: bool
    address: str
    torchvision: str | None = None
    note: str = ""


@dataclass(frozen=True)
class DatasetCheck:
    """What was found of a set.

    Attributes:
        known: what it should be.
        folder: its own; None when its photos are nowhere.
        found: its files and folders that are there.
        missing: those that are not.
        dataset: the set, when it can be opened.
        problem: the sentence of what is damaged or incomplete; empty when nothing is.
    """

    known: CatalogueEntry
    folder: Path | None
    found: tuple[str, ...]
    missing: tuple[Missing, ...]
    dataset: PhotoSet | None
    problem: str

    @property
    def complete(self) -> bool:
        return not self.problem and not any(piece.needed for piece in self.missing)


def check_dataset(name: str, root: str | PathLike[str]) -> DatasetCheck:
    """Look for a set. What is wrong with its files is told in the result.

    Raises:
        DataError: an unknown name, or ``root`` is no folder.
    """
    known, place = _locate(name, Path(root))
    if place is None:
        photos = Missing(" or ".join(_expected(known)), True, known.address, known.torchvision, "the photos")
        return DatasetCheck(known, None, (), (photos, *_no_pieces(known)), None, "")
    found, missing = _pieces(known, place)
    dataset: PhotoSet | None = None
    problem = ""
    if _pick_split(known, place) is not None:
        try:
            dataset = open_dataset(known.name, root)
            count = len(dataset.class_names)
            if count != known.classes:
                problem = f"There are {count} classes instead of {known.classes}; the set is not complete, or another."
        except (DataError, ClassNameError) as error:
            problem = str(error)
    return DatasetCheck(known, place.home, found, missing, dataset, problem)


def _pieces(known: CatalogueEntry, place: FoundSet) -> tuple[tuple[str, ...], tuple[Missing, ...]]:
    """What is there and what is not. Needed are the pieces of the first split, unless another has all of its own."""
    chosen = _pick_split(known, place)
    found = [str(place.photos.relative_to(place.given))]
    missing: list[Missing] = []
    for split in known.splits:
        wanted = split is (chosen or known.splits[0])
        for piece in split.pieces:
            where = place.find(piece.path)
            if where is not None:
                found.append(str(where.relative_to(place.given)))
                continue
            note = piece.use or split.title
            if not wanted:
                note += ", in place of what was found" if chosen else ", which would do instead"
            loader = known.torchvision if split.by_torchvision else None
            missing.append(Missing(piece.path, wanted and piece.need != "optional", piece.address, loader, note))
    return tuple(found), tuple(missing)


def _no_pieces(known: CatalogueEntry) -> list[Missing]:
    """What else is needed where there is nothing at all: one split, CoOp's before torchvision's."""
    if any(split.by_torchvision for split in known.splits):  # it comes with the photos
        return []
    return [
        Missing(piece.path, piece.need != "optional", piece.address, note=piece.use or known.splits[0].title)
        for piece in known.splits[0].pieces
        if piece.path not in ("train", "val")
    ]


def download(name: str, root: str | PathLike[str]) -> None:
    """Let torchvision download a set into ``root``, which is made.

    Raises:
        DataError: torchvision has no download of it, or it fails.
    """
    known, folder = find_set(name), Path(root)
    if known.torchvision is None:
        raise DataError(f"torchvision downloads no {known.title}. Get it from {known.address}.")
    try:
        make_folder(folder)
        import torchvision

        getattr(torchvision.datasets, known.torchvision)(folder, download=True)
    except Exception as error:  # network, archive, disk: each has its own
        raise DataError(
            f"torchvision.datasets.{known.torchvision} could not download {known.title} into {folder} "
            f"({one_line(str(error))[:200] or type(error).__name__}). A "
            f"folder that is only half there has to be deleted first; by hand it is to be had from {known.address}."
        ) from error
