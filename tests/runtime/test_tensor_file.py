"""Safetensors files of others, judged by their header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from gallop.runtime.tensor_file import LARGEST_HEADER, check_tensor_file, read_tensor_file

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.zeros(4, dtype=torch.float16)}


def with_header(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def flood(tensors: int) -> bytes:
    """A sound file with so many names and no numbers."""
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return with_header({f"{'name' * 20} {i}": empty for i in range(tensors)})


def test_names_and_metadata_are_known_before_the_tensors_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save(TENSORS, {"epoch": "3"}))
    found = read_tensor_file(path, 10**4)
    assert set(found.names) == {"a", "b"}
    assert found.metadata == {"epoch": "3"}
    made = found.tensors()
    assert all(torch.equal(made[name], value) for name, value in TENSORS.items())
    check_tensor_file(path, 10**4)
    with pytest.raises(OSError, match="it has more than"):
        read_tensor_file(path, 10)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no safetensors file, or cut short"),
        (b"\x08", "cut short"),
        (with_header(b"")[:8], "cut short"),
        (save(TENSORS)[:40], "cut short"),
        (b"\xff" * 64, "claims 18446744073709551615 bytes"),
        ((LARGEST_HEADER + 1).to_bytes(8, "little") + bytes(100), "damaged or made to do harm"),
        (with_header(b"\xff\xfe{}"), "its header is no list of tensors"),
        (with_header([]), "no list of tensors"),
        (with_header(3), "no list of tensors"),
        (with_header({"__metadata__": 3}), "no list of tensors"),
        (with_header(b"[" * 100_000), "no list of tensors"),
        (flood(100_000), "damaged or made to do harm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    for read in (read_tensor_file, check_tensor_file):
        with pytest.raises(ValueError, match=said):
            read(path, 2**26)


def test_a_header_that_promises_what_is_not_there_is_told_when_the_tensors_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(with_header({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}))
    with pytest.raises(ValueError, match=r"[Mm]etadata"):
        read_tensor_file(path, 10**4).tensors()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (read_tensor_file, check_tensor_file):
        with pytest.raises(OSError, match="it is a pipe"):
            read(tmp_path / "pipe", 10**4)
