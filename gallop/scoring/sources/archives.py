"""The photos in tar archives, such as webdataset's, read from their start to their end."""

from __future__ import annotations

import glob
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gallop.errors import DataError
from gallop.images.formats import printable_name, too_large
from gallop.images.photo import is_photo_name
from gallop.scoring.sources.item import SourceItem
from gallop.scoring.sources.opening import Opener, local_path, protocol_of, service_of
from gallop.scoring.sources.outages import patiently, reason


def is_tar(name: str) -> bool:
    """Return whether a name ends as a tar archive's does."""
    return name.endswith((".tar", ".tar.gz", ".tgz"))


@dataclass(frozen=True)
class TarSource:
    """Files in the archives whose names say that they are photos, archive after archive in the order of their names.

    A key is the archive's name, ``/`` and the name in it. An archive that ends early, or is none, leaves a row that
    says so, and the next one is read; a bucket that stops answering in the middle of one is none of these.
    """

    name: str
    opener: Opener

    def __iter__(self) -> Iterator[SourceItem]:
        archives = self._archives()
        if not archives:
            raise DataError(f"No archive is called {printable_name(self.name)}: check the path.")
        for archive in archives:
            yield from self._of(archive)

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return None: an archive has no list of what is in it."""
        return None

    def _archives(self) -> list[str]:
        path = local_path(self.name)
        if "*" not in self.name:
            return [self.name]
        if path is not None:
            return sorted(glob.glob(path))
        system, pattern = self.opener.system(self.name)
        try:
            found = patiently(lambda: system.glob(pattern), service_of(self.name))
            return sorted(f"{protocol_of(self.name)}://{archive}" for archive in found)
        except DataError:
            raise
        except Exception as error:  # every service has errors of its own
            raise DataError(f"{printable_name(self.name)} cannot be listed ({reason(error)}).") from error

    def _of(self, archive: str) -> Iterator[SourceItem]:
        short = archive.rpartition("/")[2]
        try:
            with self.opener.open(archive) as file, tarfile.open(fileobj=file, mode="r|*") as members:
                for member in members:
                    if member.isfile() and is_photo_name(member.name.rpartition("/")[2]):
                        yield self._member(members, member, f"{short}/{member.name}")
        except DataError:
            raise
        except Exception as error:  # tarfile, zlib and every service have errors of their own
            yield SourceItem(short, problem=f"The archive {printable_name(short)} cannot be read on: {reason(error)}.")

    def _member(self, members: tarfile.TarFile, member: tarfile.TarInfo, key: str) -> SourceItem:
        if member.size > self.opener.limits.max_bytes:
            return SourceItem(key, problem=str(too_large(printable_name(key), self.opener.limits)))
        found = members.extractfile(member)
        return SourceItem(key, data=b"" if found is None else found.read())
