"""Where tables go, a folder on disk or in a bucket: a file is found there whole or not at all."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.runtime.reading import open_file, read_bytes
from gallop.runtime.writing import locked, open_draft
from gallop.scoring.sources.opening import BUCKETS, Opener, local_path, protocol_of, service_of
from gallop.scoring.sources.outages import PatientFile, patiently, reason

T = TypeVar("T")

_READ_ONLY = ("hf",)
"""A hub would make a commit of every table."""
_ANY_SIZE = 2**63 - 1


@dataclass(frozen=True)
class Destination(ABC):
    """A folder for files. It travels to other processes as its name.

    Attributes:
        name: a path or an address.
    """

    name: str

    @abstractmethod
    def has(self, file: str) -> bool:
        """Return whether a file is there, and so is whole."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of what lies in the folder itself; none where there is no folder yet."""

    @abstractmethod
    def read(self, file: str, most: int) -> bytes:
        """Return what is in a file.

        Raises:
            DataError, OSError: it is not there, cannot be read, or has more than ``most`` bytes.
        """

    @abstractmethod
    def open(self, file: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to be read, in any order."""

    @abstractmethod
    def write(self, file: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to be written in parts: it is there when the block ends well, and else it never was.

        Raises:
            DataError, OSError: it cannot be written.
        """

    @abstractmethod
    def alone(self, file: str) -> AbstractContextManager[None]:
        """Keep others out of a file, as far as the place knows locks."""

    def label(self, file: str) -> str:
        """Return what messages call a file of it."""
        return f"{printable_name(self.name.rstrip('/'))}/{file}"


class _Disk(Destination):
    @property
    def _folder(self) -> Path:
        return Path(str(local_path(self.name)))

    def has(self, file: str) -> bool:
        return (self._folder / file).exists()

    def names(self) -> list[str]:
        return [entry.name for entry in self._folder.iterdir()] if self._folder.exists() else []

    def read(self, file: str, most: int) -> bytes:
        return read_bytes(self._folder / file, most)

    def open(self, file: str) -> AbstractContextManager[BinaryIO]:
        return open_file(self._folder / file, _ANY_SIZE)

    def write(self, file: str) -> AbstractContextManager[BinaryIO]:
        return open_draft(self._folder / file)

    def alone(self, file: str) -> AbstractContextManager[None]:
        return locked(self._folder / f"{file}.lock")


class _Bucket(Destination):
    """An object is put there in one piece, and services show it when all of it has come. A table is held until then."""

    def _at(self, file: str) -> tuple[Any, str]:
        system, folder = Opener(home=None).system(self.name)
        return system, f"{folder.rstrip('/')}/{file}"

    def _asked(self, file: str, done: str, ask: Callable[[], T]) -> T:
        try:
            return patiently(ask, service_of(self.name))
        except (FileNotFoundError, DataError):
            raise
        except Exception as error:  # every service has errors of its own
            said = f"{self.label(file)} cannot be {done} ({reason(error)}): check the place and your rights."
            raise DataError(said) from error

    def has(self, file: str) -> bool:
        system, path = self._at(file)
        try:
            self._asked(file, "looked for", lambda: system.info(path))
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        system, folder = self._at("")
        system.invalidate_cache()
        try:
            found = self._asked("", "listed", lambda: system.ls(folder, detail=False))
        except FileNotFoundError:
            return []
        return [str(name).rstrip("/").rpartition("/")[2] for name in found]

    def read(self, file: str, most: int) -> bytes:
        with self.open(file) as opened:
            data = self._asked(file, "read", lambda: opened.read(most + 1))
        if len(data) > most:
            raise DataError(f"{self.label(file)} has more than {most} bytes, so it is not what it is called.")
        return data

    @contextmanager
    def open(self, file: str) -> Iterator[BinaryIO]:
        system, path = self._at(file)
        opened = self._asked(file, "read", lambda: system.open(path, "rb"))
        with PatientFile(opened, service_of(self.name)) as patient:
            yield cast(BinaryIO, patient)

    @contextmanager
    def write(self, file: str) -> Iterator[BinaryIO]:
        held = io.BytesIO()
        yield held
        system, path = self._at(file)
        try:
            self._asked(file, "written", lambda: system.pipe_file(path, held.getvalue()))
        except FileNotFoundError as error:  # of the bucket itself
            raise DataError(f"{self.label(file)} cannot be written: there is no such bucket.") from error

    @contextmanager
    def alone(self, file: str) -> Iterator[None]:
        yield


def open_destination(name: str) -> Destination:
    """Return the folder of a path or of an address that fsspec knows (``s3://bucket/answers``); nothing is made yet.

    Raises:
        DataError: it is a file, or a place where nothing can be written.
    """
    path = local_path(name)
    if path is not None:
        if Path(path).exists() and not Path(path).is_dir():
            raise DataError(f"{printable_name(path)} is a file; give the name of a folder.")
        return _Disk(name)
    writable = [kind for kind in BUCKETS if kind not in _READ_ONLY]
    if "::" in name or protocol_of(name) not in writable:
        known = ", ".join(f"{kind}://" for kind in writable)
        raise DataError(f"Nothing is written to {printable_name(name)}: give a path, or an address of {known}.")
    found = _Bucket(name)
    Opener(home=None).system(name)  # says which package opens it, where that is missing
    return found
