"""Read photos from a folder, a list, a table or tar archives, or one photo, always in the same order."""

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

__all__ = ["Opener", "SourceItem", "is_archive", "is_single", "open_source"]

_ARCHIVES, _TABLES, _LISTS = (".tar", ".tar.gz", ".tgz"), (".csv", ".parquet"), (".txt", ".lst")


def is_archive(name: str) -> bool:
    """Return whether a source is an archive, by its name. The keys of its photos begin with that name."""
    return _ending(name).endswith(_ARCHIVES)


def is_single(name: str) -> bool:
    """Return whether a source is one photo: by its name, or a file on this machine that is no other source."""
    if _ending(name).endswith((*_ARCHIVES, *_TABLES, *_LISTS)):
        return False
    return is_photo_name(_ending(name)) or os.path.isfile(local_path(name) or "")


def _ending(name: str) -> str:
    return name.lower().rsplit("?", 1)[0]  # without the query of a URL


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
    if is_archive(name):
        return archive_photos(name, opener)
    if _ending(name).endswith(_TABLES):
        return table_photos(name, opener, column)
    if _ending(name).endswith(_LISTS):
        return listed_photos(name, opener)
    if is_photo_name(_ending(name)):
        return iter([SourceItem(name, place=name)])
    return folder_photos(name, opener)
