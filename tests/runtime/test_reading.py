"""The one way to open a file that a user names, and safetensors files of others, judged by their header."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from gallop.runtime.reading import check_file, open_file, read_bytes, read_text
from gallop.runtime.tensor_file import LARGEST_HEADER, check_tensor_file, read_tensor_file

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")


def test_a_plain_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link"
    path.write_bytes(b"\xef\xbb\xbfca\xc3\xa9")
    link.symlink_to(path)
    assert read_bytes(path, 7) == read_bytes(str(link), 7) == path.read_bytes()
    assert read_text(path, 7) == "caé"
    check_file(link, 7)
    with open_file(path, 7) as file:
        assert file.read(3) == b"\xef\xbb\xbf"
        assert not os.get_inheritable(file.fileno())


@pytest.mark.parametrize("reader", [open_file, read_bytes, read_text, check_file, read_tensor_file, check_tensor_file])
@pytest.mark.parametrize(
    ("name", "number", "said"),
    [
        ("pipe", errno.ENXIO, "it is a pipe, a socket or a device, not a file"),
        ("link to a pipe", errno.ENXIO, "it is a pipe"),
        ("socket", errno.ENXIO, "it is a pipe, a socket"),
        ("/dev/zero", errno.ENXIO, "it is a pipe, a socket or a device"),
        ("folder", errno.EISDIR, "it is a folder, not a file"),
        ("absent", errno.ENOENT, "No such file"),
        ("link to nothing", errno.ENOENT, "No such file"),
        ("nul\0l", errno.EINVAL, "it is not a valid file name"),
        ("large", errno.EFBIG, "it is larger than 1 MB, the limit for such a file"),
    ],
)
def test_what_is_no_plain_file_is_refused_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reader: Callable[[str, int], object],
    name: str,
    number: int,
    said: str,
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link to a pipe").symlink_to("pipe")
    (tmp_path / "link to nothing").symlink_to("nowhere")
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    before, path = len(os.listdir("/dev/fd")), os.path.join(tmp_path, name)
    monkeypatch.chdir(tmp_path)  # a socket's whole path may have a hundred characters
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(OSError, match=r"\[") as refused:
            reader(path, 2**20)
    assert (refused.value.errno, refused.value.filename) == (number, path)
    assert str(refused.value.strerror).startswith(said)
    assert len(os.listdir("/dev/fd")) == before, "nothing stays open"


def test_a_file_that_grows_while_it_is_read_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.json"
    path.write_bytes(bytes(100))
    monkeypatch.setattr("gallop.runtime.reading.os.fstat", lambda handle: os.stat_result((0o100644, *[0] * 9)))
    with pytest.raises(OSError, match="it is larger than"):
        read_bytes(path, 99)


# Tensor files --------------------------------------------------------------------------------------------------------


TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.zeros(4, dtype=torch.float16)}


def with_header(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


def test_names_and_metadata_are_known_before_the_tensors_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(save(TENSORS, {"epoch": "3"}))
    found = read_tensor_file(path, 10**4)
    assert (set(found.names), found.metadata) == ({"a", "b"}, {"epoch": "3"})
    made = found.tensors()
    assert all(torch.equal(made[name], value) for name, value in TENSORS.items())
    check_tensor_file(path, 10**4)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a safetensors file, or it is truncated"),
        (b"\x08", "truncated"),
        (with_header(b"")[:8], "truncated"),
        (save(TENSORS)[:40], "truncated"),
        (b"\xff" * 64, "claims 18446744073709551615 bytes"),
        ((LARGEST_HEADER + 1).to_bytes(8, "little") + bytes(100), "damaged or malicious"),
        (with_header(b"\xff\xfe{}"), "its header is not a list of tensors"),
        (with_header([]), "not a list of tensors"),
        (with_header(3), "not a list of tensors"),
        (with_header({"__metadata__": 3}), "not a list of tensors"),
        (with_header(b"[" * 100_000), "not a list of tensors"),
        (with_header({f"{'name' * 20} {i}": EMPTY for i in range(100_000)}), "damaged or malicious"),  # sound
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
