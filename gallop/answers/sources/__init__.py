"""Read photos from a folder, a list, a table or tar archives, one after the other, always in the same order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from gallop.answers.sources.archives import archive_photos
from gallop.answers.sources.folder import folder_photos
from gallop.answers.sources.item import SourceItem
from gallop.answers.sources.opening import Opener, local_path
from gallop.answers.sources.tables import listed_photos, table_photos
from gallop.images.photo import is_photo_name

__all__ = ["ARCHIVES", "Opener", "SourceItem", "open_source"]

ARCHIVES = (".tar", ".tar.gz", ".tgz")
"""How the name of an archive ends. The keys of its photos begin with that name."""


def open_source(name: str, opener: Opener, column: str | None = None) -> Iterator[SourceItem]:
    """Return the photos of a source by what its name ends in: .txt, .csv, .parquet, .tar, else a photo or a folder.

    Args:
        name: a path, an address that fsspec knows (``s3://bucket/photos``), or a pattern with ``*`` for tar archives.
        opener: opens it, from any place; from other buckets nothing, unless its ``home`` is None.
        column: of a table, that holds paths, addresses or bytes; None chooses it by its name.

    Raises:
        DataError: it does not exist, or is none of these.
    """
    if opener.home is not None:
        opener = replace(opener, home=name)
    end = name.lower().rsplit("?", 1)[0]
    if end.endswith(ARCHIVES):
        return archive_photos(name, opener)
    if end.endswith((".csv", ".parquet")):
        return table_photos(name, opener, column)
    if end.endswith((".txt", ".lst")):
        return listed_photos(name, opener)
    if is_photo_name(end) or os.path.isfile(local_path(name) or ""):
        return iter([SourceItem(name, place=name)])
    return folder_photos(name, opener)
