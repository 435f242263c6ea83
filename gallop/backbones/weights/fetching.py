"""Downloading a pair's weights from the Hugging Face Hub, by its own client and into its cache."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gallop.backbones.weights.known import cached_weights, hub_cache, hub_names, pair_settings
from gallop.errors import BackboneError

_STEP = 0.2
"""Seconds between two reports of a download."""


@dataclass(frozen=True)
class Fetched:
    """How much of a file is here, in bytes; ``total`` is 0 where it is not known."""

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
    """Download the weights of a pair such as ``ViT-B-16/openai`` and report on it; nothing where they are here.

    Closing the iterator ends the download; nothing of it is kept.

    Raises:
        BackboneError: no such pair, or as ``download_weights``.
    """
    pair = pair_settings(name)
    if not pair:
        raise BackboneError(f"open_clip lists no weights {name!r}.")
    if cached_weights(pair) is not None:
        return
    from huggingface_hub import constants
    from tqdm import tqdm

    constants.HF_HUB_DISABLE_XET = True  # transfers by Xet do not end when the progress bar raises
    reports, errors, cancelled = [Fetched(0, 0)], list[BackboneError](), threading.Event()

    class Reported(tqdm):  # type: ignore[type-arg]
        """A progress bar that draws nothing, reports, and raises where the download was cancelled."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**{**settings, "disable": True})

        def update(self, more: float | None = 1) -> None:
            if cancelled.is_set():
                raise InterruptedError("cancelled")
            reports.append(Fetched(reports[-1].done + int(more or 0), int(self.total or 0)))

    def download() -> None:
        try:
            download_weights(name, pair, tqdm_class=Reported)
        except BackboneError as error:
            errors.append(error)

    thread = threading.Thread(target=download, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_STEP)
            yield reports[-1]
    finally:
        cancelled.set()
        thread.join()
    if errors:
        raise errors[0]


def download_weights(name: str, pair: Mapping[str, Any], **options: Any) -> Path:
    """Return the file of a pair's weights, downloaded by the hub's client.

    Args:
        pair: open_clip's settings of it.
        options: of ``hf_hub_download``.

    Raises:
        BackboneError: no network, a licence that has to be accepted first, a full disk; with the way out.
    """
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    repository, file = os.path.split(str(pair.get("hf_hub", "")))
    try:
        for candidate in hub_names(file):
            with suppress(EntryNotFoundError):
                # Without a network this fails at once, where a download is tried for 23 seconds.
                get_hf_file_metadata(hf_hub_url(repository, candidate), token=get_token())
                return Path(hf_hub_download(repository, candidate, **options))
        raise EntryNotFoundError(f"{repository} has none of the files that open_clip looks for")
    except Exception as error:  # the hub's client lets errors of what it asks with through
        raise _problem(name, repository, error) from error


def _problem(name: str, repository: str, error: Exception) -> BackboneError:
    from huggingface_hub.errors import GatedRepoError

    if isinstance(error, GatedRepoError):
        return BackboneError(
            f"The weights of {name} are only for those who have accepted their licence. Accept it on "
            f"https://huggingface.co/{repository}, put a token of yours into HF_TOKEN, and start again."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return BackboneError(
            f"There is no room on the disk for the weights of {name}, which lie in {hub_cache()}. Make room there, or "
            "name another disk in HF_HOME. Nothing of them was kept."
        )
    return BackboneError(
        f"The weights of {name} are not on this machine and could not be downloaded ({type(error).__name__}). Load "
        f"them on a machine with a network, and copy models--{repository.replace('/', '--')} of its Hugging Face cache "
        f"into {hub_cache()}. The shipped model 'mini' works now, without a network."
    )
