"""A checkpoint folder as bytes and as a zip, and back. Knows no Streamlit.

What comes in is read as ``archives`` reads photos: streamed, capped, two named members and nothing else. The library
then checks both files itself.
"""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.jobs import PlainError
from app.photos.archives import ArchiveError, check_whole, member_bytes
from gallop.errors import GallopError
from gallop.images.formats import printable_name
from gallop.runtime.reading import read_bytes

if TYPE_CHECKING:
    from gallop import GalLoPClassifier
    from gallop.backbones import Backbone

ZIP_SETTINGS, ZIP_TENSORS = "gallop.json", "prompts.safetensors"
_FOLDER = "model"
# Bytes: ten times what the largest models need.
MOST_ZIP_BYTES = {ZIP_SETTINGS: 4 * 2**20, ZIP_TENSORS: 64 * 2**20}
# The same model gives the same zip.
_ANY_DAY = (1980, 1, 1, 0, 0, 0)


class ModelProblem(PlainError):
    """A model that is not taken; the message says why and what to do."""


@dataclass(frozen=True)
class Files:
    """A checkpoint as the library writes it: ``gallop.json`` and the bytes of ``prompts.safetensors``."""

    settings: str
    prompts: bytes

    @property
    def size(self) -> int:
        return len(self.settings.encode()) + len(self.prompts)

    def as_folder(self, card: str = "", folder: str = _FOLDER) -> dict[str, bytes]:
        """The files of the folder by their path, for ``zipped``; with a model card where there is one."""
        found = {ZIP_SETTINGS: self.settings.encode(), ZIP_TENSORS: self.prompts}
        found |= {"README.md": card.encode()} if card else {}
        return {f"{folder}/{name}": content for name, content in found.items()}


@contextlib.contextmanager
def _for_a_moment() -> Iterator[str]:
    try:
        with tempfile.TemporaryDirectory(prefix="gallop") as folder:
            yield folder
    except OSError as error:
        raise ModelProblem(
            f"The folder for temporary files of the machine that runs this app cannot be used ({error.strerror}), so "
            "the model cannot be packed or unpacked. Make room there, or name another in TMPDIR."
        ) from error


def files_of(classifier: GalLoPClassifier) -> Files:
    """What ``classifier.save`` writes.

    Raises:
        ModelProblem: the disk refuses.
    """
    with _for_a_moment() as folder:
        classifier.save(Path(folder, _FOLDER))
        return read_files(Path(folder, _FOLDER))


def read_files(folder: Path) -> Files:
    """The checkpoint in a folder. Raises OSError: it cannot be read."""
    settings, prompts = (read_bytes(folder / name, most) for name, most in MOST_ZIP_BYTES.items())
    return Files(settings.decode("utf-8"), prompts)


def classifier_of(files: Files, backbone: Backbone) -> GalLoPClassifier:
    """The classifier that was saved.

    Raises:
        ModelProblem: files that are damaged, of a newer version or hostile, or trained with another backbone; or the
            disk refuses.
    """
    from gallop import GalLoPClassifier

    with _for_a_moment() as folder:
        Path(folder, ZIP_SETTINGS).write_text(files.settings, encoding="utf-8")
        Path(folder, ZIP_TENSORS).write_bytes(files.prompts)
        try:
            found: GalLoPClassifier = GalLoPClassifier.load(folder, backbone=backbone)
        except GallopError as error:
            # The folder is nothing that anybody has seen.
            raise ModelProblem(str(error).replace(f"{folder}/", "").replace(folder, "This model")) from error
    found.cache = False  # nothing of anybody's photos is written to disk
    return found


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files by their path in the zip, as its bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, content in files.items():
            archive.writestr(
                zipfile.ZipInfo(path, _ANY_DAY),
                content,
                zipfile.ZIP_STORED if path.endswith((".png", ".webp", ZIP_TENSORS)) else zipfile.ZIP_DEFLATED,
            )
    return stream.getvalue()


def file_name(words: str) -> str:
    """A name for a download: letters, digits, spaces and dashes of ``words``."""
    kept = "".join(char if char.isalnum() or char in " -" else "_" for char in words).strip()
    return kept[:60] or "run"


def unzipped(archive: BinaryIO, name: str) -> Files:
    """The checkpoint in a zip: its two files, at the top or in one folder; whatever else is in it is not read.

    Raises:
        ModelProblem: no zip, no checkpoint in it or several, or more bytes than any model has.
    """
    shown = printable_name(name)
    try:
        check_whole(archive, shown)
        with zipfile.ZipFile(archive) as opened:
            found = {wanted: _one(opened, wanted, shown) for wanted in MOST_ZIP_BYTES}
            settings = found[ZIP_SETTINGS].decode("utf-8")
    except ArchiveError as error:
        raise ModelProblem(str(error)) from error
    except UnicodeDecodeError as error:
        raise ModelProblem(
            f"{ZIP_SETTINGS} in {shown} is no text; take the zip that this app or `gallop` made."
        ) from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, struct.error) as error:
        raise ModelProblem(f"{shown} cannot be read as a zip: make it again.") from error
    return Files(settings, found[ZIP_TENSORS])


def _one(opened: zipfile.ZipFile, wanted: str, shown: str) -> bytes:
    members = [member for member in opened.infolist() if member.filename.replace("\\", "/").split("/")[-1] == wanted]
    members = [member for member in members if "__MACOSX" not in member.filename]
    if len(members) != 1:
        there = f"{len(members)} files named {wanted}" if members else f"no {wanted}"
        model = f"a model is one {ZIP_SETTINGS} and one {ZIP_TENSORS}, in one folder"
        raise ArchiveError(f"{shown} holds {there}; {model}.")
    most = MOST_ZIP_BYTES[wanted]
    return member_bytes(
        opened,
        members[0],
        shown,
        most,
        ArchiveError(f"{wanted} in {shown} has more than {most // 2**20} MB, which no model needs."),
    )
