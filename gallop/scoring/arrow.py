"""Answers to any number of photos as Arrow tables, one after the other, for programs: nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gallop.errors import DataError
from gallop.scoring.layout import schema_of, table_of
from gallop.scoring.prepared import Columns
from gallop.scoring.run import answers
from gallop.scoring.scorer import Extras, PhotoScorer
from gallop.scoring.sources import Opener, SourceItem, open_source
from gallop.wording import listed

if TYPE_CHECKING:
    from pyarrow import Table
else:
    Table = Any  # hints can be worked out (typing.get_type_hints) without the extra


def require_arrow(what: str) -> None:
    """Refuse with the way out where the packages of the extra ``many`` are not there.

    Raises:
        DataError: one is missing.
    """
    if missing := [name for name in ("pyarrow", "fsspec", "httpcore") if find_spec(name) is None]:
        raise DataError(f"{listed(missing)} must be installed for {what}: pip install 'gallop-explorer[many]'.")


def tables_of(
    classifier: Any,
    source: str,
    extras: Sequence[str],
    column: str | None,
    rows: int,
    *,
    draft: bool,
    web: bool,
    buckets: bool,
) -> Iterator[Table]:
    """Yield the tables of ``GalLoPClassifier.predict_many``.

    Raises:
        DataError: as there.
    """
    require_arrow("answers in tables")
    known = [field.name for field in fields(Extras)]
    if unknown := [name for name in extras if name not in known]:
        raise DataError(f"There are no columns {listed(unknown)}; extras may be {', '.join(known)}.")
    opener = Opener(web=web, home=None if buckets else source)
    worker = PhotoScorer(classifier, extras=Extras(**dict.fromkeys(extras, True)), opener=opener, draft=draft)
    photos = iter(open_source(source, opener, column))
    return _tables(photos, worker, rows)


def _tables(photos: Iterable[SourceItem], worker: PhotoScorer, rows: int) -> Iterator[Table]:
    schema = schema_of(worker)
    parts: list[Columns] = []
    held = 0
    for columns in answers(worker, photos):
        parts.append(columns)
        held += len(columns["key"])
        if held >= rows:
            yield table_of(parts, schema)
            parts, held = [], 0
    if parts:
        yield table_of(parts, schema)
