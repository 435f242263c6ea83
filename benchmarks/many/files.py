"""Sources of any size from a few thousand photos: no two files have the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gallop.images import list_images

DISTINCT = 2000
"""Photos of which all files are made."""
A_FOLDER = 1000
"""Files in one folder."""


def distinct_photos(folder: Path) -> list[Path]:
    """The first JPEGs of a folder and of all below it, evenly spread over them where there are more."""
    jpegs = [path for path in list_images(folder, recursive=True) if path.suffix.lower() in (".jpg", ".jpeg")]
    if not jpegs:
        raise SystemExit(f"{folder} holds no JPEGs.")
    return jpegs[:: max(len(jpegs) // DISTINCT, 1)][:DISTINCT]


def make_source(folder: Path, photos: Sequence[Path], count: int) -> Path:
    """A folder of so many files, photo after photo, each with a comment that no other has; reused where it exists."""
    done = folder / ".done"
    if done.exists():
        return folder
    contents = [path.read_bytes() for path in photos]
    for number in range(count):
        place = folder / f"{number // A_FOLDER:04d}" / f"{number:07d}.jpg"
        if number % A_FOLDER == 0:
            place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(commented(contents[number % len(contents)], f"file {number}"))
    done.touch()
    return folder


def commented(jpeg: bytes, text: str) -> bytes:
    """A JPEG with a comment segment behind its start: other bytes, the same pixels."""
    comment = text.encode("ascii")
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def make_names(folder: Path, count: int) -> Path:
    """A folder of so many empty files with names of photos."""
    done = folder / ".done"
    if not done.exists():
        for number in range(count):
            if number % A_FOLDER == 0:
                (folder / f"{number // A_FOLDER:04d}").mkdir(parents=True, exist_ok=True)
            (folder / f"{number // A_FOLDER:04d}" / f"{number:07d}.jpg").touch()
        done.touch()
    return folder
