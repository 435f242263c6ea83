"""Fetching a pair's weights from where open_clip would, in steps: cut or failed, a download leaves nothing behind.

The file comes to lie where open_clip, and the hub's client, look for it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gallop.backbones.weights.known import cached_weights, clip_cache, hub_cache, hub_names, pair_settings
from gallop.errors import BackboneError
from gallop.runtime.writing import make_folder, open_draft, write_file

_CHUNK = 2**20
_PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as lost."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Fetched:
    """How much of a file is here, in bytes; ``total`` is 0 where the other side does not tell."""

    done: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    @property
    def sentence(self) -> str:
        """In words."""
        of = f" of {self.total / 1e6:.0f}" if self.total else ""
        return f"{self.done / 1e6:.0f}{of} MB are here"


def fetch_weights(name: str) -> Iterator[Fetched]:
    """Download the weights of a pair such as ``ViT-B-16/openai``, a megabyte a step; nothing where they are here.

    Raises:
        BackboneError: no such pair, no network, a licence that has to be accepted first, a full disk, a broken file.
    """
    pair = pair_settings(name)
    if not pair:
        raise BackboneError(f"open_clip lists no weights {name!r}.")
    if cached_weights(pair) is not None:
        return
    try:
        yield from _downloaded(pair)
    except BackboneError:
        raise
    except Exception as error:  # urllib's, those of the hub's client and of what it asks with
        raise fetch_problem(name, pair, error) from error


def _downloaded(pair: Mapping[str, Any]) -> Iterator[Fetched]:
    """Download the hub's file where there is one, as open_clip prefers it; else the one at an address of its own."""
    repository, file = os.path.split(str(pair.get("hf_hub", "")))
    if repository:
        return _from_hub(repository, file)
    address = str(pair["url"])
    folder, name = address.split("/")[-2:]
    digest = folder if "openaipublic" in address and _SHA256.fullmatch(folder) else ""
    if "mlfoundations" in address:  # such as rn50-quickgelu-yfcc15m-455df137.pt
        digest = name.rpartition(".")[0].rpartition("-")[2]
    return _written(address, clip_cache() / name, digest=digest)


def _from_hub(repository: str, file: str) -> Iterator[Fetched]:
    from huggingface_hub import constants, get_hf_file_metadata, get_token
    from huggingface_hub.errors import EntryNotFoundError

    names = hub_names(file)
    for name in names:
        try:
            address = f"{constants.ENDPOINT}/{repository}/resolve/main/{name}"
            found = get_hf_file_metadata(address, token=get_token())
            break
        except EntryNotFoundError:
            if name == names[-1]:
                raise
    if not found.commit_hash:
        raise ValueError(f"{repository} does not say which revision of {name} it has")
    folder = hub_cache() / f"models--{repository.replace('/', '--')}"
    target, etag = folder / "snapshots" / found.commit_hash / name, found.etag or ""
    # Of a file that Git itself keeps the etag is no SHA-256.
    yield from _written(found.location, target, found.size or 0, etag if _SHA256.fullmatch(etag) else "")
    write_file(folder / "refs" / "main", found.commit_hash.encode())


def _written(address: str, target: Path, size: int = 0, digest: str = "") -> Iterator[Fetched]:
    """Write a file that gets its name when the last byte is there and all are as they should be.

    Args:
        size: in bytes, where it is known.
        digest: how its SHA-256 begins.
    """
    make_folder(target.parent)
    if size > shutil.disk_usage(target.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    sha256, done = hashlib.sha256(), 0
    with urllib.request.urlopen(address, timeout=_PATIENCE) as source, open_draft(target) as draft:
        total = size or int(source.headers.get("Content-Length") or 0)
        yield Fetched(0, total)
        while chunk := source.read(_CHUNK):
            draft.write(chunk)
            sha256.update(chunk)
            done += len(chunk)
            yield Fetched(done, total)
        if total and done != total:
            raise ConnectionError(f"the connection ended after {done} of {total} bytes")
        if not sha256.hexdigest().startswith(digest):
            raise BackboneError(f"What came from {address} is another file than was to come; nothing was kept.")


def fetch_problem(name: str, pair: Mapping[str, Any], error: BaseException) -> BackboneError:
    """Return why a pair's weights could not be had, as a sentence with the way out.

    Args:
        pair: open_clip's settings of it.
    """
    from huggingface_hub.errors import GatedRepoError
    from open_clip import get_model_config

    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    repository = os.path.split(str(pair.get("hf_hub", "")))[0]
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return BackboneError(
            f"The weights of {name} are only for those who have accepted their licence. Accept it on "
            f"https://huggingface.co/{repository}, put a token of yours into HF_TOKEN, and start again."
        )
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in causes):
        return BackboneError(
            f"There is no room on the disk for the weights of {name}, which lie in {clip_cache()} or {hub_cache()}. "
            "Make room there, or name another disk in HF_HOME. Nothing of them was kept."
        )
    arch = name.partition("/")[0]
    file = str(pair.get("url", "")).rsplit("/", 1)[-1]
    if not file and pair.get("quick_gelu") and get_model_config(f"{arch}-quickgelu"):
        arch = f"{arch}-quickgelu"  # nothing in a file of the hub tells
    source = pair["url"] if file else f"the weights of https://huggingface.co/{repository}"
    there = f", or put it into {clip_cache()}" if file else ""
    return BackboneError(
        f"The weights of {name} are not on this machine and could not be downloaded ({type(error).__name__}). "
        f"Fetch {source} on a machine with a network and pass 'ARCH/FILE' "
        f"({arch}/PATH-TO-{file or 'open_clip_model.safetensors'}){there}. "
        "The shipped model 'mini' works now, without a network."
    )
