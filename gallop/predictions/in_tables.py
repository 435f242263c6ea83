"""Answers to more photos than memory holds, as tables that come one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from gallop.data.tabular.columns import named_kind
from gallop.errors import DataError
from gallop.predictions.by_name import AnswersByName
from gallop.runtime.progress import ProgressSaid

if TYPE_CHECKING:
    from pyarrow import Table
else:
    Table = Any  # hints can be worked out (typing.get_type_hints) without loading it


class AnswersInTables(AnswersByName):
    """What follows for photos without number."""

    def predict_many(
        self,
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

        >>> for table in GalLoPClassifier.load("model").predict_many("archive"):  # doctest: +SKIP
        ...     print(table.column("label").value_counts())
        """
        from gallop.scoring.arrow import tables_of

        self.require_classes()
        if not isinstance(source, str | PathLike):
            raise DataError(
                f"predict_many reads a folder, a table or an archive by its path, and was given {named_kind(source)}. "
                "Ask predict_all about photos in a list, or write their paths into a .txt file, one a line."
            )
        tables = tables_of(self, fspath(source), extras, column, rows, draft=draft, web=web, buckets=buckets)
        return _said(tables) if verbose else tables


def _said(tables: Iterator[Table]) -> Iterator[Table]:
    done = 0
    with ProgressSaid() as progress:
        for table in tables:
            done += len(table)
            progress.say("answering photos", done)
            yield table
