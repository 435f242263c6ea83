"""What the tables of answers and of features look like: columns, their types, and a shard of them as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gallop.model.scores import SCORES
from gallop.scoring.destination import Destination
from gallop.scoring.prepared import Columns
from gallop.scoring.scorer import BOX, PhotoEmbedder, PhotoScorer

if TYPE_CHECKING:
    from pyarrow import Schema, Table

KEYS_HASH = b"gallop_keys_sha256"
"""In a shard's metadata: of the keys of its photos, by which a later call knows that they are the same."""


def schema_of(worker: PhotoScorer | PhotoEmbedder) -> Schema:
    """Return the columns of a worker's table, and the classes in its metadata, in the order of ``probabilities``."""
    import pyarrow as pa

    fields = [pa.field("key", pa.string(), nullable=False), pa.field("error", pa.string())]
    if isinstance(worker, PhotoEmbedder):
        width = worker.tower.feature_sizes[-1]
        return pa.schema([*fields, pa.field("embedding", pa.list_(pa.float16(), width))])
    extras, model = worker.extras, worker.classifier.model_
    best = pa.struct([("label", pa.string()), ("probability", pa.float32())])
    fields += [
        pa.field("label", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("top", pa.list_(best)),
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

    rows = [len(part["key"]) for part in parts]
    columns = []
    for field in schema:
        values = [part.get(field.name) or [None] * count for part, count in zip(parts, rows, strict=True)]
        columns.append(pa.array([value for some in values for value in some], field.type))
    return pa.Table.from_arrays(columns, schema=schema)


@dataclass(frozen=True)
class Layout:
    """How shards lie in a folder.

    Attributes:
        name: as a call says it.
        file: that which says, by being there, that shard ``number``, counted from 0, is complete.
        write: a shard, and the hash of its keys.
    """

    name: str
    file: Callable[[int], str]
    write: Callable[[Destination, int, Table, str], None]


def _parquet_file(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _write_parquet(place: Destination, number: int, table: Table, keys_hash: str) -> None:
    _write_table(place, _parquet_file(number), table, keys_hash)


def _retrieval_file(number: int) -> str:
    return f"metadata/metadata_{number}.parquet"


def _write_retrieval(place: Destination, number: int, table: Table, keys_hash: str) -> None:
    """Features first, so where the metadata are, both are; as in clip-retrieval, of photos that could be read alone."""
    import pyarrow.compute as pc

    there = table.filter(pc.is_valid(table["embedding"]))
    width = table.schema.field("embedding").type.list_size
    values = there["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    with place.write(f"img_emb/img_emb_{number}.npy") as file:
        np.save(file, values.reshape(-1, width).astype(np.float16))
    described = there.select(["key"]).rename_columns(["image_path"])
    _write_table(place, _retrieval_file(number), described, keys_hash)


def _write_table(place: Destination, name: str, table: Table, keys_hash: str) -> None:
    from pyarrow import parquet

    metadata = {**(table.schema.metadata or {}), KEYS_HASH: keys_hash.encode()}
    with place.write(name) as file:
        parquet.write_table(table.replace_schema_metadata(metadata), file)


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("parquet", _parquet_file, _write_parquet),
        Layout("clip-retrieval", _retrieval_file, _write_retrieval),
    )
}
"""By name. ``clip-retrieval`` is that tool's: one row a photo that could be read, features and metadata apart."""


def keys_hash_of(place: Destination, name: str) -> str:
    """Return the hash of the keys in a shard that was written; empty where it is no such file."""
    from pyarrow import parquet
    from pyarrow.lib import ArrowException

    try:
        with place.open(name) as file:
            return str((parquet.read_schema(file).metadata or {}).get(KEYS_HASH, b"").decode())
    except (ArrowException, OSError, UnicodeDecodeError):
        return ""
