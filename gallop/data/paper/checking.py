"""What of a set is there, what is missing, and where to get it; and torchvision's downloads."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from gallop.data.paper.opening import expected, find_set, open_dataset, pick_split
from gallop.data.paper.places import CatalogueEntry, FoundSet
from gallop.data.photo_set import PhotoSet
from gallop.errors import ClassNameError, DataError
from gallop.runtime.writing import make_folder


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
    known, folder = find_set(name), Path(root)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the one that holds the data sets, or that of {known.title}.")
    place = known.locate(folder)
    if place is None:
        photos = Missing(" or ".join(expected(known)), True, known.address, known.torchvision, "the photos")
        return DatasetCheck(known, None, (), (photos, *_no_pieces(known)), None, "")
    found, missing = _pieces(known, place)
    if pick_split(known, place) is None:
        return DatasetCheck(known, place.home, found, missing, None, "")
    try:
        dataset = open_dataset(known.name, folder)
    except (DataError, ClassNameError) as error:
        return DatasetCheck(known, place.home, found, missing, None, str(error))
    problem, count = "", len(dataset.class_names)
    if count != known.classes:
        problem = f"There are {count} classes instead of {known.classes}; the set is not complete, or is another one."
    return DatasetCheck(known, place.home, found, missing, dataset, problem)


def _pieces(known: CatalogueEntry, place: FoundSet) -> tuple[tuple[str, ...], tuple[Missing, ...]]:
    """What is there and what is not. Needed are the pieces of the first split, unless another has all of its own."""
    chosen = pick_split(known, place)
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
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"torchvision.datasets.{known.torchvision} could not download {known.title} into {folder} ({reason}). A "
            f"folder that is only half there has to be deleted first; by hand it is to be had from {known.address}."
        ) from error
