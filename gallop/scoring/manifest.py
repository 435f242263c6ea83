"""What a folder of answers was made from and with, so that nothing else is ever mixed into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from safetensors.torch import save

from gallop import GalLoPClassifier, __version__
from gallop.checkpoints.branches import branch_tensors
from gallop.checkpoints.settings import Checkpoint
from gallop.errors import DataError, GallopError
from gallop.scoring.destination import Destination
from gallop.scoring.scorer import PhotoEmbedder, PhotoScorer

MANIFEST = "_manifest.json"
"""Readers of a folder of tables pass over names that begin so."""
MANIFEST_FORMAT = 2
_MOST_BYTES = 2**20
_WORDS = {
    "model": "another model",
    "backbone": "another tower",
    "columns": "other columns",
    "draft": "photos that were decoded otherwise",
    "source": "another source",
    "column": "another column of the table",
    "shard_size": "shards of another size",
    "layout": "another layout",
}
"""What it means that an entry differs."""


def fingerprint(classifier: GalLoPClassifier) -> str:
    """Return a hash of everything that answers depend on: prompts, classes, settings, calibration, tower."""
    model = classifier.model_
    checkpoint = Checkpoint.of(model, None, classifier.calibration_)
    said = checkpoint.said()
    del said["backbone"]  # a path may change
    for name in ("photos", "tpr", "held_out"):  # they say where the threshold came from, and change no answer
        said["calibration"].pop(name, None)
    tensors = {k: v.detach().cpu().float().contiguous() for k, v in model.prompts.state_dict().items()}
    tensors |= branch_tensors(model.branches, checkpoint.branches)
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
    if worker.draft:  # its absence is what was done before there was another way
        said["draft"] = True
    return said | {"backbone": tower.fingerprint} | asked


def settle_manifest(place: Destination, said: Mapping[str, Any]) -> None:
    """Write the manifest of a folder, or compare it with the one that is there.

    Where a place knows no locks, as buckets do, what was written is read again: of two calls that begin there at one
    moment with different wishes, the one that lost finds out.

    Raises:
        DataError: the folder holds answers that were made otherwise, or other files, or cannot be written.
        OSError: it cannot be written.
    """
    with place.alone(MANIFEST):  # parts may be started at the same moment
        if not place.has(MANIFEST):
            if any(name.endswith(".parquet") for name in place.names()):
                raise DataError(
                    f"{place.name} holds tables, but no {MANIFEST} that says of what: give an empty folder."
                )
            written = dict(said) | {"gallop": __version__}
            place.write(MANIFEST, json.dumps(written, indent=2, ensure_ascii=False).encode())
    try:
        found = json.loads(place.read(MANIFEST, _MOST_BYTES))
        differs = [name for name in ("format", *_WORDS) if found.get(name) != said.get(name)]
    except GallopError:
        raise
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{place.label(MANIFEST)} is damaged: give an empty folder.") from error
    if differs:
        why = ", ".join(_WORDS.get(name, "another version of gallop") for name in differs)
        raise DataError(f"{place.name} holds answers of {why}: give another folder, or call it as before to go on.")
