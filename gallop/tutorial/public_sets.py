"""Public sets of photos by name, as folders of classes: downloaded once by torchvision, and only when asked for."""

from __future__ import annotations

import io
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from gallop.runtime.writing import make_folder, write_quickly

PUBLIC_SETS = ("DTD", "EuroSAT", "Flowers102", "OxfordIIITPet")


def public_set(name: str, shots: int = 16, tests: int = 20) -> Path:
    """A folder with ``train/`` and ``test/`` of a public set: up to ``shots`` and ``tests`` photos of each class.

    torchvision downloads the set once, some hundred megabytes, into the user's cache folder.

    Raises:
        ConnectionError: it is not on this machine yet and cannot be downloaded.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "gallop", "photos", name)
    done, part = cache / f"{shots}-{tests}", cache / "unfinished"
    if not done.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        if name == "EuroSAT":  # it comes in one piece
            _deal(_torchvision(name, cache), part, {"train": shots, "test": tests})
        else:
            first = "trainval" if name == "OxfordIIITPet" else "train"
            _deal(_torchvision(name, cache, split=first), part, {"train": shots})
            _deal(_torchvision(name, cache, split="test"), part, {"test": tests})
        part.rename(done)
    return done


def _torchvision(name: str, cache: Path, **split: str) -> Any:
    from torchvision import datasets

    try:
        make_folder(cache)
        return getattr(datasets, name)(cache, download=True, **split)
    except (OSError, RuntimeError) as error:
        raise ConnectionError(
            f"{name} is not on this machine and could not be downloaded ({type(error).__name__}). Connect to a network "
            "and try again, set GALLOP_PHOTOS to a folder of your own photos, or unset it to use the sample photos."
        ) from error


def _deal(dataset: Any, folder: Path, counts: dict[str, int]) -> None:
    """Photos of a torchvision set, drawn at random, into ``folder/split/class``, up to so many of a class and split."""
    room = [[split for split, count in counts.items() for _ in range(count)] for _ in dataset.classes]
    for i in np.random.default_rng(0).permutation(len(dataset)).tolist():
        if not any(room):
            return
        image, label = dataset[i]
        if room[label]:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])|[-_]", " ", dataset.classes[label]).lower()
            target = folder / room[label].pop(0) / words
            png = io.BytesIO()
            image.convert("RGB").save(png, "PNG")
            write_quickly(target / f"{i}.png", png.getvalue())
