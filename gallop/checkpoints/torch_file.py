"""Torch files of others, opened as data: nothing in them is run.

Such a file is a pickle, which can run anything when it is opened carelessly. Here torch reads it with ``weights_only``:
tensors, numbers, texts and lists, and of all classes ``argparse.Namespace`` alone, in which the paper's authors keep
their options. Whatever else it holds is refused by name; there is no other way round.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from gallop.errors import CheckpointError
from gallop.runtime.reading import open_file

LARGEST_FILE = 4 * 2**30
"""Bytes: all of a large CLIP and its optimiser fit."""

LARGEST_PICKLE = 16 * 2**20
"""Bytes of all that is not a tensor's numbers."""

_WANTED = "give the .ckpt or .pt file that the official code wrote"
_NESTED = ("state_dict", "model", "model_state_dict")
_reading = threading.Lock()


def read_torch_file(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state dict, wherever the file has it and without the prefix of a parallel training; and its options.

    Raises:
        CheckpointError: no such file, no torch file, damaged, too large, or with objects that are not data.
    """
    _check_file(path)
    loaded = _load(path)
    options = next((vars(value) for value in loaded.values() if type(value) is Namespace), {})
    return _state(loaded, path), options


def _check_file(path: Path) -> None:
    """Refuse what is no torch file of a sensible size, before anything of it is read as one."""
    try:
        with open_file(path, LARGEST_FILE) as file:
            start, size = file.read(9), os.fstat(file.fileno()).st_size
    except OSError as error:
        way_out = "keep its state_dict alone" if error.errno == errno.EFBIG else _WANTED
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); {way_out}.") from error
    if start[8:] == b"{":
        raise CheckpointError(
            f"{path} is a safetensors file; the official code writes torch files (.ckpt, .pt), and gallop's own "
            "checkpoints are folders that need no conversion."
        )
    if start[:4] == b"PK\x03\x04":
        _check_archive(path)
    elif start[:1] != b"\x80":
        raise CheckpointError(f"{path} is no torch file; {_WANTED}.")
    elif size > LARGEST_FILE // 4:
        raise CheckpointError(
            f"{path} is in torch's old format and too large for it; save it again with a newer torch."
        )


def _check_archive(path: Path) -> None:
    """A zip as torch writes it: nothing compressed, so that it cannot hold more than the file's size."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is damaged or cut short ({error}); copy it again.") from error
    if any("/code/" in entry.filename for entry in entries):
        raise CheckpointError(
            f"{path} is a TorchScript archive, which holds code; give the official code's checkpoint."
        )
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f"{path} is a compressed archive; give the file that is in it.")
    if sum(entry.file_size for entry in entries) > LARGEST_FILE:
        raise CheckpointError(f"{path} says that it holds more than its own size; it is damaged or made to do harm.")
    if any(entry.filename.endswith(".pkl") and entry.file_size > LARGEST_PICKLE for entry in entries):
        raise CheckpointError(f"{path} holds much besides tensors; keep its state_dict and args alone.")


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with _allowing_namespaces(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and the objects themselves raise what they like
        named = re.search(r"GLOBAL ([\w.]+)|<class '([\w.]+)'", str(error))
        if named is not None:
            raise CheckpointError(
                f"{path} holds an object that is not data, {named[1] or named[2]}, so it is refused, and nothing of it "
                "was run. Where you trust it, save its state_dict and args alone."
            ) from error
        raise CheckpointError(f"{path} is damaged, cut short or no torch file ({type(error).__name__}).") from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds no state dict but a {type(loaded).__name__}.")
    return loaded


@contextmanager
def _allowing_namespaces() -> Iterator[None]:
    """For the time of one reading. A second one waits: the list is the whole process', and the first clears it."""
    with _reading:
        allowed = Namespace in torch.serialization.get_safe_globals()
        with nullcontext() if allowed else torch.serialization.safe_globals([Namespace]):
            yield


def _state(loaded: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The state dict, wherever the file has it, without the prefix of a parallel training."""
    state: Any = loaded
    for _ in range(len(_NESTED)):
        inner = next((state[key] for key in _NESTED if isinstance(state.get(key), dict)), None)
        if inner is None:
            break
        state = inner
    found: dict[str, Any] = {}
    for key, value in state.items():
        name = str(key).removeprefix("module.")
        if name in found:
            raise CheckpointError(f"{path} holds {name} twice, with and without 'module.' before it.")
        found[name] = value
    return found
