"""Tables, columns and data sets of other libraries, recognised by what they can do, and labels in them to class names.

pandas, polars, pyarrow, torch's data sets and those of Hugging Face each have different types, and none of them is
imported to recognise them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from gallop.errors import DataError
from gallop.names.class_names import clean_name, clean_names, missing_names, spelled_as
from gallop.wording import listed, named_kind, one_line

IMAGE_COLUMNS, LABEL_COLUMNS = ("image", "path", "file", "filename", "img"), ("label", "class")
"""What columns of images and labels are called; the first that is there is taken."""


class MapStyle(Protocol):
    """Rows by their number, or columns by their name, as arrays, tables and data sets have them."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


def kinds(value: Any) -> set[str]:
    """Return the names of an object's class and of those that it is made from."""
    return {kind.__name__ for kind in type(value).__mro__}


def is_frame(value: Any) -> bool:
    """Return whether it is a table with columns by name: a DataFrame of pandas or polars, or a Table of pyarrow."""
    return bool(kinds(value) & {"DataFrame", "Table"}) and hasattr(value, "columns") and hasattr(value, "__len__")


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
        raise DataError("A set has no order, so it is unclear which label belongs to which image. Pass a list.")
    if isinstance(values, Mapping) or not (isinstance(values, Sequence | Iterator) or hasattr(values, "__iter__")):
        raise DataError(
            f"Labels cannot be read from {named_kind(values)}. Pass a list of class names, one for each image."
        )
    return list(values)


def plain(value: Any) -> Any:
    """Return a number or text of numpy, pandas or torch as Python's; others as they are."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def find_column(table: Any, wanted: Sequence[str], kind: str = "") -> Any:
    """Return the name of a column: in a data set of Hugging Face's the only one of a kind, else the first of those
    wanted that exists, whatever its case; None if none does.
    """
    features = table.features.items() if is_hugging_face(table) else ()
    typed = [name for name, feature in features if type(feature).__name__ == kind]
    if len(typed) == 1:
        return typed[0]
    keys = {str(name).strip().casefold(): name for name in reversed(column_names(table))}
    return next((keys[name] for name in wanted if name in keys), None)


def only_column(table: Any) -> Any:
    """Return the column of a table that has one.

    Raises:
        DataError: it has none, or more.
    """
    keys = column_names(table)
    if len(keys) != 1:
        raise DataError(
            f"The {type(table).__name__} must have only one column, but it has the columns "
            f"{listed(list(map(str, keys)))}. Pass one of them."
        )
    return table[keys[0]]


def column_names(table: Any) -> list[Any]:
    """Return the names of a table's columns."""
    return list(table.column_names if hasattr(table, "column_names") else table.columns)


def label_names(
    labels: Any,
    class_names: Sequence[str] | None = None,
    *,
    what: str = "Label {row} of {count}",
    first: int = 1,
    spelled: Callable[[str], str] = str,
) -> list[str]:
    """Return the clean class name of each label, n of n.

    Args:
        labels: texts, or integers that index ``class_names`` from 0: a list, an array, a Series or a column, which may
            know the names itself.
        class_names: for numbers, their class names; for texts, all that there may be.
        what: names a label in a message, ``row`` counted from ``first``.
        spelled: what a text is turned to before it is cleaned.

    Raises:
        DataError: a label that is missing, neither text nor integer, a number without a name, or no class name.
        ClassNameError: a text, or names in ``class_names``, that cannot be used.
    """
    stored = getattr(getattr(labels, "features", None), "names", None)  # a column of Hugging Face's may have its names
    numbered = names_of_numbers(stored, class_names)
    known = None if numbered is None else clean_names(numbered)
    values = [plain(label) for label in as_list(labels)]
    clean = lru_cache(maxsize=4096)(lambda text: clean_name(spelled(text)))  # rows are many, labels few
    names = [
        clean(value)
        if isinstance(value, str)
        else _name_of_number(value, known, what.format(row=row, count=len(values)))
        for row, value in enumerate(values, first)
    ]
    if known is None:
        return names
    names = spelled_as(names, known)
    unknown = missing_names(list(dict.fromkeys(names)), known)
    if unknown:
        raise DataError(
            f"Labels contain {listed(unknown)}, but class_names does not. Add the missing names, or correct the labels."
        )
    return names


def names_of_numbers(stored: Any, class_names: Sequence[str] | None) -> Sequence[str] | None:
    """Return the class names of the numbers of a data set: those stored in it, with a space for ``_``, if there are
    some (of several for one number, the first) and ``class_names`` gives the same in another order, else
    ``class_names``.
    """
    held = stored if isinstance(stored, list | tuple) else ()
    names = [name[0] if isinstance(name, tuple) and name else name for name in held]
    if not names or not all(isinstance(name, str) for name in names):
        return class_names
    spaced = [name.replace("_", " ") for name in names]
    same = class_names is None or sorted(spaced) == sorted(str(name).replace("_", " ") for name in class_names)
    return spaced if same else class_names


def _name_of_number(value: Any, known: Sequence[str] | None, place: str) -> str:
    if is_missing(value):
        raise DataError(f"{place} is missing ({value}). Give each image a class name, or leave the image out.")
    integral = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not integral:
        raise DataError(
            f"{place} is {one_line(repr(value))}, which is neither text nor an integer. Use class names, or "
            "integer labels starting at 0 together with class_names=[...]."
        )
    if known is None:
        raise DataError(
            f"{place} is the number {value:g}, which needs a class name. Use class names as labels, or name the "
            f"numbers 0, 1, ... with class_names=[...]. In cross_val_score, pass params={{'class_names': [...]}}."
        )
    if value < 0:
        raise DataError(
            f"{place} is {value:g}, which is not the number of a class, so this split may be unlabelled or only partly "
            "labelled. Use another split, or leave the image out."
        )
    if value >= len(known):
        raise DataError(
            f"{place} is the number {value:g}, but class_names has {len(known)} names, for the numbers 0 to "
            f"{len(known) - 1}. Add the missing name, or leave the image out."
        )
    return known[int(value)]


def is_missing(value: Any) -> bool:
    """Return whether nothing is known there: None, NaN, or what pandas has in their place."""
    of_pandas = type(value).__name__ in ("NAType", "NaTType")
    return value is None or of_pandas or (isinstance(value, float) and math.isnan(value))
