"""The format of the tables of answers: columns, their types, and a shard of them as a file."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from safetensors.torch import save

from gallop import GalLoPClassifier, __version__
from gallop.answers.scorer import BOX, Columns, PhotoScorer
from gallop.checkpoints.folder import learned_tensors
from gallop.checkpoints.settings import Checkpoint
from gallop.errors import DataError, GallopError
from gallop.model.scores import SCORES
from gallop.service.tables.destination import Destination

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow import Table as Table
else:
    Schema = Table = Any  # hints can be worked out (typing.get_type_hints) without the extra


KEYS_HASH = b"gallop_keys_sha256"
"""In a shard's metadata: of the keys of its photos, by which a later call recognises that they are the same."""
ERRORS = b"gallop_errors"
"""How many of its photos have no answer."""
FILE_HASH = b"gallop_file_sha256"
"""Of the file itself, with ``_unset`` in place of this hash."""


def schema_of(worker: PhotoScorer) -> Schema:
    """Return the columns of a worker's table, and the classes in its metadata, in the order of ``probabilities``."""
    import pyarrow as pa

    extras, model = worker.extras, worker.classifier.model_
    fields = [
        pa.field("key", pa.string(), nullable=False),
        pa.field("error", pa.string()),
        pa.field("label", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("top", pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float32())]))),
        *(pa.field(name, pa.float32()) for name, score in SCORES.items() if score.of_cosines),
        pa.field("is_ood", pa.bool_()),
    ]
    if extras.probabilities:
        fields.append(pa.field("probabilities", pa.list_(pa.float32(), len(model.class_names))))
    if extras.embedding:
        fields.append(pa.field("embedding", pa.list_(pa.float16(), model.backbone.feature_sizes[-1])))
    if extras.regions:
        fields.append(pa.field("regions", pa.list_(pa.struct([(name, pa.float32()) for name in BOX]))))
    return pa.schema(fields, metadata={"classes": json.dumps(model.class_names, ensure_ascii=False)})


def table_of(parts: Sequence[Columns], schema: Schema) -> Table:
    """Return the rows of some batches as one table; a column that a batch lacks is empty there."""
    import pyarrow as pa

    columns = []
    for field in schema:
        values = [part.get(field.name) or [None] * len(part["key"]) for part in parts]
        storable = (  # of a file's name that is not UTF-8 the other bytes are escaped
            value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            for some in values
            for value in some
        )
        columns.append(pa.array(storable, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def shard_file(number: int) -> str:
    """Return the file of a shard, counted from 0; where it exists, the shard is complete."""
    return f"part-{number:06d}.parquet"


def write_shard(place: Destination, number: int, table: Table, keys_hash: str) -> None:
    """Write a shard.

    Raises:
        DataError, OSError: it cannot be written.
    """
    from pyarrow import parquet

    unset = _unset(keys_hash.encode())
    metadata = {
        **(table.schema.metadata or {}),
        KEYS_HASH: keys_hash,
        ERRORS: str(table.num_rows - table["error"].null_count),
        FILE_HASH: unset,
    }
    stream = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata(metadata), stream)
    data = stream.getvalue()
    place.write(shard_file(number), data.replace(unset, _sha256(data), 1))


def read_shard(place: Destination, number: int) -> tuple[str, int] | None:
    """Read a shard and return the hash of its photos' keys and how many have no answer; None where it is damaged.

    Raises:
        DataError, OSError: it cannot be read.
    """
    from pyarrow import parquet
    from pyarrow.lib import ArrowException

    data = place.read(shard_file(number))
    try:
        # Not the schema's, which pyarrow stores a second time, encoded, with the hash unset.
        metadata = parquet.read_metadata(io.BytesIO(data)).metadata or {}
        unset = data.replace(metadata[FILE_HASH], _unset(metadata[KEYS_HASH]), 1)
        facts = metadata[KEYS_HASH].decode(), int(metadata[ERRORS])
    except (ArrowException, OSError, KeyError, ValueError):  # what pyarrow raises where a file is damaged
        return None
    return facts if _sha256(unset) == metadata[FILE_HASH] else None


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _unset(keys_hash: bytes) -> bytes:
    """The placeholder of a file's hash while that is computed: it occurs nowhere else in the file."""
    return _sha256(b"unset " + keys_hash)


MANIFEST = "_manifest.json"
"""Readers of a folder of tables skip names that begin with an underscore."""
MANIFEST_FORMAT = 2
_MOST_BYTES = 2**20
_WORDS = {
    "model": "another model",
    "backbone": "another backbone",
    "columns": "other columns",
    "draft": "photos that were decoded differently",
    "source": "another source",
    "column": "another column of the table",
    "shard_size": "shards of another size",
}
"""The words for an entry that differs."""


def fingerprint(classifier: GalLoPClassifier) -> str:
    """Return a hash of everything that answers depend on: prompts, classes, settings, calibration, backbone."""
    model = classifier.model_
    checkpoint = Checkpoint.of(model, None, classifier.calibration_)
    record = checkpoint.record()
    del record["backbone"]  # a path may change
    for name in ("photos", "tpr", "held_out"):  # they describe how the threshold was computed, and change no answer
        record["calibration"].pop(name, None)
    text = json.dumps(record, sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(text + hashlib.sha256(save(learned_tensors(checkpoint, model))).digest()).hexdigest()


def manifest_of(worker: PhotoScorer, **asked: Any) -> dict[str, Any]:
    """Return the description of a worker's answers: ``asked`` are source, column and shard_size."""
    manifest: dict[str, Any] = {
        "format": MANIFEST_FORMAT,
        "model": fingerprint(worker.classifier),
        "columns": asdict(worker.extras),
    }
    if worker.draft:  # its absence means full decoding, which was the only way in older versions
        manifest["draft"] = True
    return manifest | {"backbone": worker.classifier.model_.backbone.fingerprint} | asked


def settle_manifest(place: Destination, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a folder, or compare it with the one that is there.

    Where a place has no locks, such as a bucket, the manifest is read again after it was written: of two calls that
    begin there at the same moment with different arguments, the one whose manifest was replaced then fails.

    Raises:
        DataError: the folder holds results that were made differently, or other files, or cannot be written.
        OSError: it cannot be written.
    """
    with place.alone(MANIFEST):  # parts may be started at the same moment
        if not place.has(MANIFEST):
            if place.has(shard_file(0)):
                raise DataError(
                    f"{place.name} contains tables, but no {MANIFEST} that describes them: use an empty folder."
                )
            written = {**manifest, "gallop": __version__}
            place.write(MANIFEST, json.dumps(written, indent=2, ensure_ascii=False).encode())
    try:
        stored = json.loads(place.read(MANIFEST, _MOST_BYTES))
        differs = [name for name in ("format", *_WORDS) if stored.get(name) != manifest.get(name)]
    except GallopError:
        raise
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{place.label(MANIFEST)} is damaged: use an empty folder.") from error
    if differs:
        why = ", ".join(_WORDS.get(name, "another version of gallop") for name in differs)
        raise DataError(
            f"{place.name} already contains results made with {why}. Use another folder, or the same arguments as "
            "before."
        )
