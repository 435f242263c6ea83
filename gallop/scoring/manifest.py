"""What a folder of answers was made from and with, so that nothing else is ever mixed into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save

from gallop import GalLoPClassifier, __version__
from gallop.checkpoints.folder import Checkpoint
from gallop.errors import DataError
from gallop.runtime.reading import read_bytes
from gallop.runtime.writing import locked, write_file
from gallop.scoring.scorer import PhotoEmbedder, PhotoScorer

MANIFEST = "_manifest.json"
"""Readers of a folder of tables pass over names that begin so."""
MANIFEST_FORMAT = 1
_MOST_BYTES = 2**20
_WORDS = {
    "model": "another model",
    "backbone": "another tower",
    "columns": "other columns",
    "source": "another source",
    "column": "another column of the table",
    "shard_size": "shards of another size",
    "layout": "another layout",
}
"""What it means that an entry differs."""


def fingerprint(classifier: GalLoPClassifier) -> str:
    """Return a hash of everything that answers depend on: prompts, classes, settings, calibration, tower."""
    said = asdict(Checkpoint.of(classifier.model_, None, classifier.calibration_))
    del said["backbone"]  # a path may change
    tensors = {k: v.detach().cpu().float().contiguous() for k, v in classifier.model_.prompts.state_dict().items()}
    text = json.dumps(said, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(text + hashlib.sha256(save(tensors)).digest()).hexdigest()


def manifest_of(worker: PhotoScorer | PhotoEmbedder, **asked: Any) -> dict[str, Any]:
    """Return what is said of a worker's answers: ``asked`` are source, column, shard_size and layout."""
    said: dict[str, Any] = {"format": MANIFEST_FORMAT}
    if isinstance(worker, PhotoScorer):
        tower = worker.classifier.model_.backbone
        said |= {"model": fingerprint(worker.classifier), "columns": asdict(worker.extras)}
    else:
        tower = worker.tower
    return said | {"backbone": tower.fingerprint} | asked


def settle_manifest(folder: Path, said: Mapping[str, Any]) -> None:
    """Write the manifest of a folder, or compare it with the one that is there.

    Raises:
        DataError: the folder holds answers that were made otherwise, or other files.
        OSError: it cannot be written.
    """
    path = folder / MANIFEST
    with locked(folder / f"{MANIFEST}.lock"):  # parts may be started at the same moment
        if not path.exists():
            if any(entry.suffix == ".parquet" for entry in folder.iterdir()):
                raise DataError(f"{folder} holds tables, but no {MANIFEST} that says of what: give an empty folder.")
            written = dict(said) | {"gallop": __version__}
            write_file(path, json.dumps(written, indent=2, ensure_ascii=False).encode())
            return
    try:
        found = json.loads(read_bytes(path, _MOST_BYTES))
        differs = [name for name in ("format", *_WORDS) if found.get(name) != said.get(name)]
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is damaged: give an empty folder.") from error
    if differs:
        why = ", ".join(_WORDS.get(name, "another version of gallop") for name in differs)
        raise DataError(f"{folder} holds answers of {why}: give another folder, or call it as before to go on.")
