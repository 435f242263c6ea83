"""Photos into folders by class: names that any system takes, nothing outside the folder, nothing overwritten.

What goes where is written down, complete, before the first file is copied or moved. So a call that was killed is
finished by the next one, and moves can be undone, by a call that may be killed as well.
"""

from __future__ import annotations

import errno
import filecmp
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

from gallop.errors import DataError
from gallop.images.file_types import printable_name
from gallop.runtime.reading import read_bytes, read_text
from gallop.runtime.writing import clear_drafts, make_folder, write_file, write_quickly

MOST_BYTES = 2**32  # of a photo, and of what is remembered


def stored(path: Path, otherwise: str, fits: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
    """Return what a file of JSON remembers; empty where there is none.

    Args:
        otherwise: what to do where it is damaged.
        fits: whether it is what was written there.

    Raises:
        DataError: it is damaged, or another file.
    """
    found: Any = None
    with suppress(ValueError, RecursionError):
        found = json.loads(read_text(path, MOST_BYTES)) if path.exists() else {}
    if isinstance(found, dict) and (not found or fits(found)):
        return found
    raise DataError(f"{printable_name(str(path))} is damaged, or was not written by gallop sort: {otherwise}.")


def read_places(record: Path) -> dict[str, str]:
    """Return by key where in ``out`` photos were placed. Raises as ``stored``."""
    return stored(
        record,
        "restore it, since it says where photos came from, or remove it if they are where they should be",
        lambda found: all(isinstance(path, str) and "\0" not in key + path for key, path in found.items()),
    )


def place(photos: Path, out: Path, record: Path, targets: Mapping[str, str], *, move: bool) -> Iterator[str]:
    """Copy or move photos into folders, and yield for each, also for those of earlier calls, why it was not done;
    empty where it was.

    Args:
        photos: the folder that the keys of ``targets`` are paths below.
        record: the file in which is written what goes where.
        targets: by key, a folder's name in ``out``. A photo that was placed before stays where it is.
        move: whether photos are moved. What a link leads to, or lies behind one, is copied all the same: it is not of
            this folder.

    Raises:
        DataError: the record is damaged, or leads out of the folders.
        OSError: the record or a folder cannot be written.
    """
    placed = read_places(record)
    taken = set(placed.values())
    for key in [key for key in targets if key not in placed]:
        name = PurePosixPath(key)
        names = chain([name.name], (f"{name.stem} ({n}){name.suffix}" for n in count(2)))
        free = (path for each in names if (path := f"{targets[key]}/{each}") not in taken)
        placed[key] = next(path for path in free if not os.path.lexists(out / path))
        taken.add(placed[key])
    paths = _checked_paths(photos, out, placed)  # before anything is remembered
    write_file(record, json.dumps(placed).encode())
    for folder in {target.parent for _, target in paths}:
        clear_drafts(folder)
    for key in sorted(placed, key=lambda key: not is_linked(photos, key)):  # before what links lead to is moved
        yield _carry(photos / key, out / placed[key], move=move and not is_linked(photos, key))


def is_linked(photos: Path, key: str) -> bool:
    """Return whether a photo is a link, or lies in a folder below ``photos`` that is one."""
    return Path(os.path.realpath(photos / key)) != Path(os.path.realpath(photos), key)


def undo(photos: Path, out: Path, record: Path) -> Iterator[str]:
    """Move photos back to where they were, and yield for each as ``place``; copies are removed, and empty folders. The
    record keeps those for which that was not done.

    Raises:
        DataError, OSError: as ``place``.
    """
    placed, failed = read_places(record), dict[str, str]()
    paths = _checked_paths(photos, out, placed)
    for key in sorted(placed, key=lambda key: is_linked(photos, key)):
        if problem := _carry(out / placed[key], photos / key, move=True):
            failed[key] = placed[key]
        yield problem
    write_file(record, json.dumps(failed).encode())
    for folder in {target.parent for _, target in paths}:
        with suppress(OSError):  # it is not empty
            folder.rmdir()


def _checked_paths(photos: Path, out: Path, placed: Mapping[str, str]) -> list[tuple[Path, Path]]:
    """Return from where each photo goes to where. Raises DataError where a path or a link leads out of the folders."""
    paths = [(photos / key, out / path) for key, path in placed.items()]
    for source, target in paths:
        within = Path(os.path.abspath(source)).is_relative_to(photos.absolute())
        folder = os.path.join(os.path.realpath(out), target.parent.name)
        if not within or os.path.realpath(target.parent) != folder or target.parent.name.startswith("."):
            raise DataError(f"{printable_name(str(source))} or {target.parent} leads out of the folders: remove it.")
    return paths


def _carry(source: Path, target: Path, *, move: bool) -> str:
    """Copy or move a file, or finish that; return why it is not done, or nothing. A file that is there stays."""
    try:
        if not os.path.lexists(target):
            if move and not source.is_symlink():
                make_folder(target.parent)
                try:
                    os.rename(source, target)
                    return ""
                except OSError as error:
                    if error.errno != errno.EXDEV:  # to another disk: copied, then removed
                        raise
            (write_file if move else write_quickly)(target, read_bytes(source, MOST_BYTES))
            shutil.copystat(source, target)
        elif not source.exists():  # it may be a link to one that was moved
            return ""
        elif not filecmp.cmp(source, target, shallow=False):
            return f"{target} is there already, and is another file; {source} stays where it is."
        if move:
            source.unlink()
    except OSError as error:
        return f"{source}: {error.strerror}"
    return ""
