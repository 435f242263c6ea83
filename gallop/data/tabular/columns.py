"""What an object is, told by what it can do: nothing is imported to recognise a table, a column or a data set.

pandas, polars, pyarrow, torch's data sets and those of Hugging Face each bring kinds of their own, and none of them is
needed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gallop.errors import DataError
from gallop.wording import listed

IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "path", "file", "filename", "img"), ("label", "class")
"""What columns of images and labels are called; the first that is there is taken."""


class MapStyle(Protocol):
    """Rows by their number, or columns by their name, as arrays, tables and data sets have them."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


class Frame(MapStyle, Protocol):
    """A table with columns by name."""

    @property
    def columns(self) -> Any:
        """Their names, or the columns themselves."""


def kinds(value: Any) -> set[str]:
    """Return the names of an object's class and of those that it is made from."""
    return {kind.__name__ for kind in type(value).__mro__}


def is_frame(value: Any) -> bool:
    """Return whether it is a table with columns by name: a DataFrame of pandas or polars, or a Table of pyarrow."""
    return bool(kinds(value) & {"DataFrame", "Table"}) and hasattr(value, "columns") and hasattr(value, "__len__")


def is_column(value: Any) -> bool:
    """Return whether it is one column: a Series, Index or categorical of pandas, one of polars or of pyarrow."""
    return bool(kinds(value) & {"Series", "Index", "ExtensionArray"}) or hasattr(value, "to_pylist")


def is_tensor(value: Any) -> bool:
    """Return whether it is one of torch's tensors."""
    return "Tensor" in kinds(value) and hasattr(value, "detach")


def is_hugging_face(value: Any) -> bool:
    """Return whether it is a data set of Hugging Face with columns and rows, not a streaming one."""
    return isinstance(getattr(value, "features", None), Mapping) and is_map_style(value)


def is_map_style(value: Any) -> bool:
    """Return whether rows may be asked for by their number, and there is a number of them."""
    return hasattr(value, "__getitem__") and hasattr(value, "__len__")


def as_list(values: Any) -> list[Any]:
    """Return a column as a list; a single text is a list of one."""
    if isinstance(values, str | bytes):
        return [values]
    if hasattr(values, "to_pylist"):  # pyarrow's
        return list(values.to_pylist())
    if is_frame(values):
        return as_list(only_column(values))
    if isinstance(values, np.ndarray) or is_tensor(values):
        array = np.asarray(values.detach().cpu() if is_tensor(values) else values)
        return list(array.reshape(-1) if array.ndim == 0 or array.shape[1:] == (1,) else array)
    if isinstance(values, set | frozenset):
        raise DataError("A set has no order, so it does not say which label is which image's; give a list.")
    if isinstance(values, Mapping) or not (isinstance(values, Sequence | Iterator) or hasattr(values, "__iter__")):
        raise DataError(f"Labels came as {named_kind(values)}; give a list of class names, one for each image.")
    return list(values)


def plain(value: Any) -> Any:
    """Return a number or text of numpy, pandas or torch as Python's own; others as they are."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def find_column(table: Any, wanted: Sequence[str]) -> Any:
    """Return the first column that is there, whatever the case of its name; None where none is."""
    own = {str(name).strip().casefold(): name for name in reversed(_keys(table))}
    return next((table[own[name]] for name in wanted if name in own), None)


def needed_column(table: Any, wanted: Sequence[str], what: str) -> Any:
    """Return the same, where it has to be there.

    Raises:
        DataError: it is not; the columns are named.
    """
    found = find_column(table, wanted)
    if found is None:
        there = listed(list(map(str, _keys(table)))) or "none"
        raise DataError(
            f"The {type(table).__name__} has no column of {what}: call it {' or '.join(wanted[:2])}. Its columns are "
            f"{there}."
        )
    return found


def only_column(table: Any) -> Any:
    """Return the column of a table that has one.

    Raises:
        DataError: it has none, or more.
    """
    keys = _keys(table)
    if len(keys) != 1:
        raise DataError(f"The {type(table).__name__} has the columns {listed(list(map(str, keys)))}; give one of them.")
    return table[keys[0]]


def named_kind(value: Any) -> str:
    """Return words for what somebody gave, such as "a DataLoader"."""
    name = type(value).__name__
    return "nothing (None)" if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _keys(table: Any) -> list[Any]:
    if isinstance(table, Mapping):
        return list(table)
    return list(table.column_names if hasattr(table, "column_names") else table.columns)
