"""Answers to any number of photos as Arrow tables, one after the other, for programs: nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from importlib.util import find_spec
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from gallop.errors import DataError
from gallop.estimator import GalLoPClassifier
from gallop.runtime.progress import ProgressDisplay
from gallop.scoring.layout import schema_of, table_of
from gallop.scoring.run import answers
from gallop.scoring.scorer import Columns, Extras, PhotoScorer
from gallop.scoring.sources import Opener, SourceItem, open_source
from gallop.wording import listed, named_kind

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


def predict_many(
    classifier: GalLoPClassifier,
    source: str | PathLike[str],
    *,
    extras: Sequence[str] = (),
    column: str | None = None,
    rows: int = 1024,
    draft: bool = False,
    web: bool = False,
    buckets: bool = False,
    verbose: bool | int = False,
) -> Iterator[Table]:
    """Yield Arrow tables of answers to any number of photos, with the columns that ``gallop predict --out`` writes.

    Every photo has its row, one that cannot be read a sentence in ``error``. Memory stays the same for any number.

    Args:
        source: a folder, a .txt list, a .csv or .parquet table, .tar archives, or an address such as
            s3://bucket/photos.
        extras: further columns, of ``gallop.scoring.Extras``: "probabilities", "embedding", "regions".
        column: of a table, that holds paths, addresses or bytes.
        rows: of a table that is yielded, or a few more; the last has what is left.
        draft: decode large JPEGs smaller, which is faster and moves answers a little.
        web: public addresses of the web may be asked.
        buckets: buckets and shares that a list or a table names may be asked, with your keys, and not only the one
            that it lies in itself.
        verbose: show how far it is: a bar in a terminal or a notebook, plain lines elsewhere.

    Raises:
        DataError: the source is no path, cannot be read, or a column or a package of the extra ``many`` is missing.

    >>> for table in predict_many(GalLoPClassifier.load("model"), "archive"):  # doctest: +SKIP
    ...     print(table.column("label").value_counts())
    """
    check_is_fitted(classifier, "classes_")
    if not isinstance(source, str | PathLike):
        raise DataError(
            f"predict_many reads a folder, a table or an archive by its path, and was given {named_kind(source)}. "
            "Ask predict_all about photos in a list, or write their paths into a .txt file, one a line."
        )
    require_arrow("answers in tables")
    known = [field.name for field in fields(Extras)]
    if unknown := [name for name in extras if name not in known]:
        raise DataError(f"There are no columns {listed(unknown)}; extras may be {', '.join(known)}.")
    opener = Opener(web=web, home=None if buckets else fspath(source))
    worker = PhotoScorer(classifier, extras=Extras(**dict.fromkeys(extras, True)), opener=opener, draft=draft)
    photos = iter(open_source(fspath(source), opener, column))
    return _tables(photos, worker, rows, told=bool(verbose))


def _tables(photos: Iterable[SourceItem], worker: PhotoScorer, rows: int, *, told: bool) -> Iterator[Table]:
    schema = schema_of(worker)
    parts: list[Columns] = []
    done = given = 0
    with ProgressDisplay(wanted=told) as progress:
        for columns in answers(worker, photos):
            parts.append(columns)
            done += len(columns["key"])
            progress.show("answering photos", done)
            if done - given >= rows:
                yield table_of(parts, schema)
                parts, given = [], done
        if parts:
            yield table_of(parts, schema)
