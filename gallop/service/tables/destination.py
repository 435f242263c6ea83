"""The destination of tables, a folder on disk or in a bucket: a file appears there complete or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gallop.answers.sources.opening import ANY_SIZE, BUCKETS, Opener, asked, local_path, protocol_of
from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.runtime.reading import open_file
from gallop.runtime.writing import locked, write_file

T = TypeVar("T")


@dataclass(frozen=True)
class Destination:
    """A folder for files, on disk. It is sent to other processes as its name.

    Attributes:
        name: a path or an address.
    """

    name: str

    def has(self, file: str) -> bool:
        """Return whether a file exists, and so is complete."""
        return self._path(file).exists()

    def read(self, file: str, most: int = ANY_SIZE) -> bytes:
        """Return the content of a file.

        Raises:
            DataError, OSError: it does not exist, cannot be read, or has more than ``most`` bytes.
        """
        with open_file(self._path(file), most) as opened:
            return opened.read()

    def write(self, file: str, data: bytes) -> None:
        """Write a file, and the folders that contain it; an existing one is replaced.

        Raises:
            DataError, OSError: it cannot be written.
        """
        write_file(self._path(file), data)

    def alone(self, file: str) -> AbstractContextManager[None]:
        """Lock a file against other writers, where the place supports locks."""
        return locked(self._path(f"{file}.lock"))

    def label(self, file: str) -> str:
        """Return the name of one of its files in messages."""
        return f"{printable_name(self.name.rstrip('/'))}/{file}"

    def _path(self, file: str) -> Path:
        return Path(str(local_path(self.name)), file)


class Bucket(Destination):
    """A folder in a bucket. An object is uploaded in one piece, and services show it once it is complete."""

    def has(self, file: str) -> bool:
        try:
            self._asked(file, "looked up", lambda system, path: system.info(path))
        except FileNotFoundError:
            return False
        return True

    def read(self, file: str, most: int = ANY_SIZE) -> bytes:
        def first_bytes(system: Any, path: str) -> bytes:
            with system.open(path, "rb") as opened:
                return bytes(opened.read(most + 1))

        data = self._asked(file, "read", first_bytes)
        if len(data) > most:
            raise DataError(f"{self.label(file)} has more than {most} bytes, so it is not a file that gallop wrote.")
        return data

    def write(self, file: str, data: bytes) -> None:
        try:
            self._asked(file, "written", lambda system, path: system.pipe_file(path, data))
        except FileNotFoundError as error:  # of the bucket itself
            raise DataError(f"{self.label(file)} cannot be written: the bucket does not exist.") from error

    def alone(self, file: str) -> AbstractContextManager[None]:
        return nullcontext()

    def _asked(self, file: str, done: str, ask: Callable[[Any, str], T]) -> T:
        system, folder = Opener(home=None).system(self.name)
        path, place = f"{folder.rstrip('/')}/{file}", f"{self.name.rstrip('/')}/{file}"
        return asked(lambda: ask(system, path), place, done, FileNotFoundError)


def open_destination(name: str) -> Destination:
    """Return the folder of a path or of an address that fsspec knows (``s3://bucket/answers``); nothing is created yet.

    Raises:
        DataError: it is a file, or a place where nothing can be written.
    """
    path = local_path(name)
    if path is not None:
        if Path(path).exists() and not Path(path).is_dir():
            raise DataError(f"{printable_name(path)} is a file: choose a folder.")
        return Destination(name)
    writable = [kind for kind in BUCKETS if kind != "hf"]  # the Hub would make a commit of every table
    if "::" in name or protocol_of(name) not in writable:
        raise DataError(
            f"{printable_name(name)} cannot be written to: use a path, or a URL that starts with one of "
            f"{', '.join(f'{kind}://' for kind in writable)}."
        )
    Opener(home=None).system(name)  # says which package opens it, where that is missing
    return Bucket(name)
