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

from gallop.backbones.weights.on_disk import cached_weights, clip_cache, hub_cache, hub_names
from gallop.errors import BackboneError
from gallop.runtime.writing import make_folder, open_draft, write_file

_CHUNK = 2**20
_PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as lost."""
_OFFICIAL = re.compile(r"[0-9a-f]{64}")


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


@dataclass(frozen=True)
class _File:
    """Where a file is, where it goes, and what is known of it. ``digest``: how its SHA-256 begins."""

    address: str
    target: Path
    size: int = 0
    digest: str = ""
    revision: tuple[Path, str] | None = None
    """A file of the hub's cache, and the name of the revision that is written into it."""


def fetch_weights(name: str) -> Iterator[Fetched]:
    """Download the weights of a pair such as ``ViT-B-16/openai``, a megabyte a step; nothing where they are here.

    Raises:
        BackboneError: no such pair, no network, a licence that has to be accepted first, a full disk, a broken file.
    """
    from open_clip.pretrained import get_pretrained_cfg

    arch, _, tag = name.partition("/")
    pair: dict[str, Any] = get_pretrained_cfg(arch, tag) or {}
    if not pair:
        raise BackboneError(f"open_clip lists no weights {name!r}.")
    if cached_weights(pair) is not None:
        return
    try:
        yield from _written(_place_of(pair))
    except BackboneError:
        raise
    except Exception as error:  # urllib's, those of the hub's client and of what it asks with
        raise fetch_problem(name, pair, error) from error


def _written(file: _File) -> Iterator[Fetched]:
    """Its bytes, into a file that gets its name when the last one is there and all are as they should be."""
    make_folder(file.target.parent)
    if file.size > shutil.disk_usage(file.target.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file.target))
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(file.address, timeout=_PATIENCE) as source, open_draft(file.target) as draft:
        total = file.size or int(source.headers.get("Content-Length") or 0)
        yield Fetched(0, total)
        while chunk := source.read(_CHUNK):
            draft.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            yield Fetched(done, total)
        if total and done != total:
            raise ConnectionError(f"the connection ended after {done} of {total} bytes")
        if not digest.hexdigest().startswith(file.digest):
            raise BackboneError(f"What came from {file.address} is another file than was to come; nothing was kept.")
    if file.revision is not None:
        write_file(file.revision[0], file.revision[1].encode())


def _place_of(pair: Mapping[str, Any]) -> _File:
    """The hub's file where there is one, as open_clip prefers it; else the one at an address of its own."""
    repository, file = os.path.split(str(pair.get("hf_hub", "")))
    if repository:
        return _on_the_hub(repository, file)
    address = str(pair["url"])
    name = address.rsplit("/", 1)[-1]
    official = _OFFICIAL.fullmatch(address.split("/")[-2]) if "openaipublic" in address else None
    begins = official.group() if official else ""
    if "mlfoundations" in address:  # such as rn50-quickgelu-yfcc15m-455df137.pt
        begins = name.rpartition(".")[0].rpartition("-")[2]
    return _File(address, clip_cache() / name, digest=begins)


def _on_the_hub(repository: str, file: str) -> _File:
    from huggingface_hub import constants, get_hf_file_metadata, get_token

    names = hub_names(file)
    for name in names:
        try:
            address = f"{constants.ENDPOINT}/{repository}/resolve/main/{name}"
            found = get_hf_file_metadata(address, token=get_token())
        except Exception as error:
            if name == names[-1] or not _is_called("EntryNotFoundError", error):
                raise
            continue
        if not found.commit_hash:
            raise ValueError(f"{repository} does not say which revision of {name} it has")
        folder = hub_cache() / f"models--{repository.replace('/', '--')}"
        whole = found.etag or ""
        return _File(
            found.location,
            folder / "snapshots" / found.commit_hash / name,
            size=found.size or 0,
            digest=whole if _OFFICIAL.fullmatch(whole) else "",  # of a file that Git itself keeps it is no SHA-256
            revision=(folder / "refs" / "main", found.commit_hash),
        )
    raise AssertionError("a repository has at least one name to look for")


def fetch_problem(name: str, pair: Mapping[str, Any], error: BaseException) -> BackboneError:
    """Return why a pair's weights could not be had, as a sentence with the way out.

    Args:
        pair: open_clip's settings of it.
    """
    chain = list(_chain(error))
    repository = os.path.split(str(pair.get("hf_hub", "")))[0]
    if any(_is_called("GatedRepoError", each) for each in chain):
        return BackboneError(
            f"The weights of {name} are only for those who have accepted their licence. Accept it on "
            f"https://huggingface.co/{repository}, put a token of yours into HF_TOKEN, and start again."
        )
    if any(isinstance(each, OSError) and each.errno == errno.ENOSPC for each in chain):
        return BackboneError(
            f"There is no room on the disk for the weights of {name}, which lie in {clip_cache()} or {hub_cache()}. "
            "Make room there, or name another disk in HF_HOME. Nothing of them was kept."
        )
    return _not_reached(name, pair, repository, error)


def _not_reached(name: str, pair: Mapping[str, Any], repository: str, error: BaseException) -> BackboneError:
    from open_clip import get_model_config

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


def _is_called(kind: str, error: BaseException) -> bool:
    """By name, since the hub's client keeps its kinds in one module or another."""
    return any(each.__name__ == kind for each in type(error).__mro__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
