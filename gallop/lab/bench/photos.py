"""The photos of a benchmark: folders below DATA are read, sets by name are listed, both once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gallop.data import ContentHash, LabelledPhotos, Listing, PhotoSet, content_hash, duplicates, read_folder
from gallop.data.labelled import read_files
from gallop.data.photo_set import NOTHING
from gallop.errors import BenchError, DataError
from gallop.images import list_images
from gallop.lab.bench.spec import Spec
from gallop.lab.paper_sets import available_datasets, open_dataset
from gallop.wording import listed


@dataclass(frozen=True)
class Photos:
    """All of a benchmark: sets to learn from, groups of unknown things without labels, all sets that are asked."""

    sets: Mapping[str, PhotoSet]
    unknown: Mapping[str, LabelledPhotos | Listing]
    asked: Mapping[str, PhotoSet]


def class_numbers(source: PhotoSet, target: PhotoSet) -> tuple[int, ...]:
    """Return for each class of the target's test photos, its number among those that the source teaches.

    Classes are matched by synset where both sets have them, else by name.

    Raises:
        BenchError: a class that the source does not teach.
    """
    by_id = bool(source.class_ids and target.class_ids)
    known = {each: number for number, each in enumerate(source.class_ids if by_id else source.class_names)}
    asked = target.class_ids if by_id else target.test.class_names
    for each, name in zip(asked, target.test.class_names, strict=True):
        if each not in known:
            raise BenchError(
                f"Models trained on {source.name} cannot be tested on {target.name}, because the training photos of "
                f"{source.name} do not have the class {name!r}. Add some, or remove the class from the test photos."
            )
    return tuple(known[each] for each in asked)


def read_photos(spec: Spec, root: Path, content: ContentHash = content_hash) -> Photos:
    """Read or list the sets of a benchmark and its unknown photos.

    A name is a folder below ``root`` with train/ and test/; where there is none, a set of ``gallop.data``.

    Args:
        root: DATA.
        content: gives the hash of a file's picture, as for ``read_folder``.

    Raises:
        BenchError: a set or group that is not there, or test photos of classes that are not in train.
        DataError: a folder that is no data set, or a set by name that is not there, not complete or damaged.
    """
    if not root.is_dir():
        raise BenchError(f"{root} is not a folder. Pass the folder that contains the data sets.")
    targets = [target for name in spec.sets for target in spec.transfer.get(name, ())]
    asked = {name: _read_set(root, name, content) for name in dict.fromkeys((*spec.sets, *targets))}
    photos = Photos({name: asked[name] for name in spec.sets}, dict(_unknown_groups(spec, root, content)), asked)
    for name, source in photos.sets.items():
        if not len(source.train):
            raise BenchError(f"{name} has no training photos. Use it only under 'transfer', or add the missing photos.")
        for target in (name, *spec.transfer.get(name, ())):
            class_numbers(source, asked[target])  # refused now, and not after a long training
    return photos


def no_photos(spec: Spec) -> Photos:
    """Return the sets of a benchmark without any photos, so that runs can be counted before there are some."""
    targets = [target for name in spec.sets for target in spec.transfer.get(name, ())]
    asked = {name: PhotoSet(name, NOTHING, NOTHING) for name in (*spec.sets, *targets)}
    return Photos({name: asked[name] for name in spec.sets}, {}, asked)


def _read_set(root: Path, name: str, content: ContentHash) -> PhotoSet:
    folder = root / name
    if _is_set(folder):
        return _folder_set(name, folder, content)
    if name not in [known.name for known in available_datasets()]:
        raise BenchError(
            f"{folder} does not contain train/ and test/. Add them, or use --sets to list only the other sets, "
            f"without {name}."
        )
    try:
        photo_set = open_dataset(name, root)
    except DataError as error:
        raise DataError(f"{error} Alternatively, use --sets to list only the other sets, without {name}.") from error
    if not len(photo_set.test):
        raise BenchError(f"{name} in {photo_set.folder} has no test photos. Add them.")
    if photo_set.incomplete:
        warnings.warn(
            f"{name} in {photo_set.folder} has {len(photo_set.class_names)} classes instead of "
            f"{photo_set.expected_classes}, so its figures cannot be compared with published ones.",
            stacklevel=2,
        )
    return replace(photo_set, name=name)  # as the benchmark spells it


def set_folders(root: Path) -> dict[str, Path]:
    """Return every folder below ``root`` that holds train/ and test/, by its path from there."""
    return {
        train.parent.relative_to(root).as_posix(): train.parent
        for train in sorted(root.glob("**/train"))
        if _is_set(train.parent) and train.parent != root
    }


def _is_set(folder: Path) -> bool:
    """In ``test`` of ImageNet as its publisher packs it there are no folders: its labelled photos are in ``val``."""
    return (folder / "train").is_dir() and any(path.is_dir() for path in (folder / "test").glob("*"))


def _folder_set(name: str, folder: Path, content: ContentHash) -> PhotoSet:
    train, test = (read_folder(folder, split=split, content=content) for split in ("train", "test"))
    _tell_skipped(train, test)
    pairs = duplicates(train, test)
    if pairs:
        warnings.warn(
            f"{name}: train/ and test/ share {len(pairs)} pictures, so the accuracy will be too high. For example, "
            f"{pairs[0][0]} is the same picture as {pairs[0][1]}.",
            stacklevel=2,
        )
    return PhotoSet(name, train, test)


def _unknown_groups(spec: Spec, root: Path, content: ContentHash) -> Iterator[tuple[str, LabelledPhotos | Listing]]:
    folder = root / spec.unknown.folder
    inside = folder.iterdir() if spec.unknown.folder and folder.is_dir() else ()
    names = sorted(path.name for path in inside if path.is_dir() and not path.name.startswith((".", "__MACOSX")))
    if spec.unknown.folder and not names:
        raise BenchError(
            f"{folder} ('unknown') contains no folders of unknown photos. Add one, or remove 'unknown' from the "
            "benchmark."
        )
    twice = sorted(set(names) & set(spec.unknown.sets))
    if twice:
        raise BenchError(f"'unknown': {twice[0]!r} is both a folder in {folder} and a set. Rename the folder.")
    everything = [*names, *spec.unknown.sets]
    for name, skipped in spec.unknown.skip.items():
        strange = sorted(set(skipped) - set(everything))
        if strange:
            raise BenchError(
                f"'unknown', 'skip', {name!r}: there is no group {strange[0]!r}; the groups are "
                f"{listed(everything, 20)}."
            )
    for name in names:
        yield name, _read_group(folder / name, content)
    for name in spec.unknown.sets:
        photo_set = open_dataset(name, root)
        yield name, photo_set.photos if len(photo_set.photos) else photo_set.test.unlabelled()


def _read_group(folder: Path, content: ContentHash) -> LabelledPhotos:
    group = read_files(((path, "", "") for path in list_images(folder, recursive=True)), ("",), content)
    _tell_skipped(group)
    if not group.photos:
        raise BenchError(f"{folder} (unknown photos) contains no readable images.")
    return group


def _tell_skipped(*photos: LabelledPhotos) -> None:
    for path, reason in (each for some in photos for each in some.skipped):
        warnings.warn(f"{path} was skipped: {reason}", stacklevel=2)
