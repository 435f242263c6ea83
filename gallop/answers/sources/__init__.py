"""Read photos from a folder, a list or a table of this machine, or one photo, always in the same order."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gallop.answers.sources.folder import folder_photos
from gallop.answers.sources.item import SourceItem
from gallop.answers.sources.tables import listed_photos, table_photos
from gallop.errors import DataError
from gallop.images.file_types import printable_name
from gallop.images.photo import is_photo_name

__all__ = ["SourceItem", "open_source"]


def open_source(name: str, column: str | None = None) -> Iterator[SourceItem]:
    """Return the photos of a source by what its name ends in: .txt, .csv, .parquet, else a photo or a folder.

    Args:
        name: a path.
        column: of a table, that holds paths or bytes; None chooses it by its name.

    Raises:
        DataError: it does not exist, or is none of these.
    """
    ending, shown = name.lower(), printable_name(name)
    if "://" in name:
        raise DataError(f"{shown} is an address, and nothing is fetched: download the photos, and pass their folder.")
    if ending.endswith((".tar", ".tar.gz", ".tgz")):
        raise DataError(f"{shown} is an archive: unpack it, and pass its folder.")
    if ending.endswith((".csv", ".parquet")):
        return table_photos(name, column)
    if ending.endswith((".txt", ".lst")):
        return listed_photos(name)
    if is_photo_name(name) or os.path.isfile(name):
        return iter([SourceItem(name, place=name)])
    return folder_photos(name)
