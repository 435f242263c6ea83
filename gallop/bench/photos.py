"""The photos of a benchmark: data sets and groups of unknown photos below one folder, read once."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gallop.bench.reading import BenchError
from gallop.bench.spec import Spec
from gallop.data import Dataset, data_fingerprint, duplicates, read_folder
from gallop.images import ImageError, list_images, load_image


@dataclass(frozen=True)
class PhotoSet:
    """A data set: ``SET/train`` to draw shots from, ``SET/test`` to be asked about."""

    name: str
    train: Dataset
    test: Dataset

    @property
    def fewest(self) -> tuple[int, str]:
        """How many training photos the smallest class has, and its name."""
        names = self.train.class_names
        return min((self.train.labels.count(label), name) for label, name in enumerate(names))

    @property
    def fingerprint(self) -> str:
        """Of the test photos."""
        return fingerprint(self.test)


@dataclass(frozen=True)
class UnknownGroup:
    """Photos of things that belong to no class."""

    name: str
    paths: tuple[Path, ...]
    fingerprint: str


@dataclass(frozen=True)
class Photos:
    """All of them: sets and unknown groups by name."""

    sets: Mapping[str, PhotoSet]
    unknown: Mapping[str, UnknownGroup]


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over pictures and labels, whatever their order."""
    return data_fingerprint(dataset.hashes, dataset.names)


def read_photos(spec: Spec, root: Path, wanted: Collection[str] | None = None) -> Photos:
    """Read the sets of a benchmark and its unknown photos.

    Args:
        root: DATA.
        wanted: sets without which there is nothing to do; others may be absent. None wants all that the spec names.

    Raises:
        BenchError: a set or group that is not there, or test photos of classes that are not in train.
        DataError: a folder that is no data set.
    """
    if not root.is_dir():
        raise BenchError(f"{root} is not a folder; give the folder that holds the data sets.")
    names = spec.sets or tuple(set_folders(root))
    if not names:
        raise BenchError(f"No folder below {root} holds train/ and test/; give the folder that holds the data sets.")
    missing = [name for name in wanted or () if name not in names]
    if missing:
        raise BenchError(f"The benchmark has no set {missing[0]!r}; its sets are {', '.join(names)}.")
    there = [name for name in names if _is_set(root / name)]
    for name in names if wanted is None else wanted:
        if name not in there:
            raise BenchError(f"{root / name} does not hold train/ and test/; add it, or leave it out with --sets.")
    sets = {name: _read_set(name, root / name) for name in there}
    _check_transfer(spec, sets)
    return Photos(sets, _unknown_groups(spec, root))


def set_folders(root: Path) -> dict[str, Path]:
    """Every folder below ``root`` that holds train/ and test/, by its path from there."""
    found = (train.parent for train in sorted(root.glob("**/train")) if _is_set(train.parent))
    return {folder.relative_to(root).as_posix(): folder for folder in found if folder != root}


def _is_set(folder: Path) -> bool:
    return (folder / "train").is_dir() and (folder / "test").is_dir()


def _read_set(name: str, folder: Path) -> PhotoSet:
    train, test = read_folder(folder, split="train"), read_folder(folder, split="test")
    for path, reason in (*train.skipped, *test.skipped):
        warnings.warn(f"{path} is left out: {reason}", stacklevel=2)
    strange = sorted(set(test.class_names) - set(train.class_names))
    if strange:
        raise BenchError(f"{folder / 'test'} has the class {strange[0]!r}, and train/ has not; take it away or add it.")
    pairs = duplicates(train, test)
    if pairs:
        warnings.warn(
            f"{name}: train/ and test/ share {len(pairs)} pictures, so accuracy will be too good: {pairs[0][0]} is "
            f"{pairs[0][1]}.",
            stacklevel=2,
        )
    return PhotoSet(name, train, test)


def _check_transfer(spec: Spec, sets: Mapping[str, PhotoSet]) -> None:
    for source, targets in spec.transfer.items():
        for target in targets:
            if source in sets and target in sets:
                known, asked = sets[source].train.class_names, sets[target].test.class_names
                if not set(asked) <= set(known):
                    first = min(set(asked) - set(known))
                    raise BenchError(f"'transfer' tests {source} on {target}, whose class {first!r} it does not know.")


def _unknown_groups(spec: Spec, root: Path) -> dict[str, UnknownGroup]:
    if spec.unknown is None:
        return {}
    folder = root / spec.unknown.folder
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    names = [name for name in names if not name.startswith((".", "__MACOSX"))]
    if not names:
        raise BenchError(f"{folder} ('unknown') holds no folders of unknown photos; add some or take 'unknown' away.")
    for name, skipped in spec.unknown.skip.items():
        strange = sorted(set(skipped) - set(names))
        if strange:
            raise BenchError(f"'unknown', 'skip' of {name}: there is no group {strange[0]!r}, only {', '.join(names)}.")
    return {name: _read_group(name, list_images(folder / name, recursive=True), folder / name) for name in names}


def _read_group(name: str, paths: Iterable[Path], folder: Path) -> UnknownGroup:
    kept: dict[str, Path] = {}
    for path in paths:
        try:
            kept.setdefault(load_image(path).sha256, path)
        except ImageError as error:
            warnings.warn(f"{path} is left out: {error}", stacklevel=2)
    if not kept:
        raise BenchError(f"{folder} (unknown photos) holds no readable images.")
    return UnknownGroup(name, tuple(kept.values()), data_fingerprint(list(kept), [""] * len(kept)))
