"""Read safetensors files from strangers: a file's header is checked before any of its tensors is made.

safetensors itself takes tensors in any number, of any names; a hundred thousand of them are made in minutes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import BinaryIO

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from gallop.errors import first_line
from gallop.runtime.reading import open_file, read_bytes

LARGEST_HEADER = 2**20
"""Bytes: ten times what the largest CLIP needs for the names and shapes of its weights."""


@dataclass(frozen=True)
class TensorFile:
    """A file that was read, before its tensors are made.

    Attributes:
        data: all of it.
        names: of its tensors.
        metadata: texts that its writer stored with them.
    """

    data: bytes = field(repr=False)
    names: tuple[str, ...]
    metadata: Mapping[str, str]

    def tensors(self) -> dict[str, Tensor]:
        """Make the tensors.

        Raises:
            ValueError: they are not as the header says.
        """
        try:
            return dict(load(self.data))
        except SafetensorError as error:
            raise ValueError(first_line(error)) from error


def read_tensor_file(path: str | PathLike[str], most: int) -> TensorFile:
    """Read a file of at most ``most`` bytes, and check its header.

    Raises:
        OSError: as ``gallop.runtime.reading.open_file``.
        ValueError: it is not a safetensors file, is truncated, or holds far too much; the message says which.
    """
    data = read_bytes(path, most)
    return TensorFile(data, *_header(io.BytesIO(data)))


def check_tensor_file(path: str | PathLike[str], most: int) -> None:
    """Check the header of a file that is going to be mapped into memory.

    Raises:
        OSError, ValueError: as ``read_tensor_file``.
    """
    with open_file(path, most) as file:
        _header(file)


def _header(file: BinaryIO) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names and metadata."""
    size = int.from_bytes(file.read(8), "little")
    if size > LARGEST_HEADER:
        raise ValueError(
            f"its header claims {size} bytes, but the limit for a header is {LARGEST_HEADER} bytes: the file is "
            "damaged or malicious"
        )
    text = file.read(size)
    if not size or len(text) < size:
        raise ValueError("it is not a safetensors file, or it is truncated")
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        return tuple(header), {str(key): str(value) for key, value in metadata.items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError("its header is not a list of tensors") from error
