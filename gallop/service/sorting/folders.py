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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, count
from pathlib import Path, PurePosixPath

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.runtime.reading import parse_json, read_bytes, read_text
from gallop.runtime.writing import clear_drafts, make_folder, write_file, write_quickly

MOST_BYTES = 2**32
"""Of a photo, and of the record of what goes where."""
_FORBIDDEN = '<>:"/\\|?*'
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³")}
"""Names that Windows keeps for devices, whatever follows their first dot."""


def folder_names(class_names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a folder's name for each class: no separator, no leading dot, no name of a device, all different where
    capitals do not count.

    Args:
        taken: names of other files there.
    """
    folders, used = dict[str, str](), {name.casefold() for name in taken}
    for name in class_names:
        plain = "".join("_" if char in _FORBIDDEN or not char.isprintable() else char for char in name)[:60].strip(". ")
        if not plain or plain.split(".")[0].rstrip().upper() in _DEVICES:
            plain = f"_{plain}"
        folders[name] = next(
            free for n in count(1) if (free := plain if n == 1 else f"{plain} {n}").casefold() not in used
        )
        used.add(folders[name].casefold())
    return folders


def place(photos: Path, out: Path, record: Path, targets: Mapping[str, str], *, move: bool) -> Iterator[str]:
    """Copy or move photos into folders, and yield for each, also for those of earlier calls, why it was not done;
    empty where it was.

    Args:
        photos: the folder that the keys of ``targets`` are paths below.
        record: the file in which is written what goes where.
        targets: by key, a folder's name in ``out``. A photo that was placed before stays where it is.

    Raises:
        DataError: the record is damaged, or leads out of the folders.
        OSError: the record or a folder cannot be written.
    """
    placed = read_record(record)
    taken = set(placed.values())
    for key, folder in targets.items():
        if key not in placed:
            name = PurePosixPath(key)
            names = chain([name.name], (f"{name.stem} ({n}){name.suffix}" for n in count(2)))
            free = (path for each in names if (path := f"{folder}/{each}") not in taken)
            placed[key] = next(path for path in free if not os.path.lexists(out / path))
            taken.add(placed[key])
    write_file(record, json.dumps(placed).encode())
    for folder in _class_folders(out, placed):
        make_folder(folder)
        clear_drafts(folder)
    for key, path in placed.items():
        yield _carry(_below(photos, key), _below(out, path), move=move)


def undo(photos: Path, out: Path, record: Path) -> Iterator[str]:
    """Move photos back to where they were, and yield for each as ``place``; those that were copied stay in ``photos``,
    and their copies are removed. Afterwards there is no record, and empty folders are removed.

    Raises:
        DataError, OSError: as ``place``.
    """
    placed, failed = read_record(record), dict[str, str]()
    folders = _class_folders(out, placed)
    for key, path in placed.items():
        source = _below(photos, key)
        make_folder(source.parent)
        problem = _carry(_below(out, path), source, move=True)
        failed |= {key: path} if problem else {}
        yield problem
    write_file(record, json.dumps(failed).encode())
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def read_record(record: Path) -> dict[str, str]:
    """Return by key where each photo was placed; empty where there is no record.

    Raises:
        DataError: it is damaged.
    """
    try:
        placed = parse_json(read_text(record, MOST_BYTES)) if record.exists() else {}
        return {str(key): str(path) for key, path in placed.items()}
    except (ValueError, AttributeError) as error:
        raise DataError(f"{printable_name(str(record))} is damaged ({error}): use another folder.") from error


def _below(root: Path, path: str) -> Path:
    """Return a path below a folder. Raises DataError where it leads out of it."""
    top = os.path.abspath(root)
    if os.path.commonpath([top, os.path.abspath(root / path)]) != top:
        raise DataError(f"{printable_name(path)} would be outside {printable_name(str(root))}, so nothing is done.")
    return root / path


def _class_folders(out: Path, placed: Mapping[str, str]) -> list[Path]:
    """Return the folders that photos are placed in. Raises DataError where one is a link, which may lead anywhere."""
    folders = list({_below(out, path).parent for path in placed.values()})
    for folder in folders:
        if os.path.realpath(folder) != os.path.join(os.path.realpath(out), folder.name):
            raise DataError(f"{printable_name(str(folder))} leads out of {printable_name(str(out))}: remove the link.")
    return folders


def _carry(source: Path, target: Path, *, move: bool) -> str:
    """Copy or move a file, or finish that; return why it is not done, or nothing. A file that is there stays."""
    try:
        if not os.path.lexists(target):
            if move and not source.is_symlink():
                try:
                    os.rename(source, target)
                    return ""
                except OSError as error:
                    if error.errno != errno.EXDEV:  # to another disk: copied, then removed
                        raise
            write = write_file if move else write_quickly
            write(target, read_bytes(source, MOST_BYTES))
            shutil.copystat(source, target)
        elif not os.path.lexists(source):
            return ""
        elif not filecmp.cmp(source, target, shallow=False):
            return f"{target} is there already, and is another file; {source} stays where it is."
        if move:
            source.unlink()
    except OSError as error:
        return f"{source}: {error.strerror}"
    return ""
