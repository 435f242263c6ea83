"""Labels as people have them, texts or numbers, to class names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from gallop.data.tabular.columns import as_list, plain
from gallop.errors import DataError
from gallop.names.class_names import clean_name, clean_names, missing_names, spelled_as
from gallop.wording import listed, one_line

_ABSENT = ("NAType", "NaTType")
"""What pandas puts where nothing is known, beside NaN and None."""
_AS_IT_IS = str


def label_names(
    labels: Any,
    class_names: Sequence[str] | None = None,
    *,
    what: str = "Label {row} of {count}",
    first: int = 1,
    spelled: Callable[[str], str] = _AS_IT_IS,
) -> list[str]:
    """Return the clean class name of each label, n of n.

    Args:
        labels: texts, or whole numbers that count in ``class_names`` from 0: a list, an array, a Series or a column,
            which may know the names itself.
        class_names: of numbers, the names that they stand for; of texts, all that there may be.
        what: names a label in a message, ``row`` counted from ``first``.
        spelled: what a text is turned to before it is cleaned.

    Raises:
        DataError: a label that is missing, neither text nor whole number, a number without a name, or no class name.
        ClassNameError: a text, or names in ``class_names``, that cannot be used.
    """
    own = getattr(getattr(labels, "features", None), "names", None)  # a column of Hugging Face's may know its names
    found = names_of_numbers(None if own is None else [name.replace("_", " ") for name in own], class_names)
    known = None if found is None else clean_names(found)
    values = [plain(label) for label in as_list(labels)]
    clean = lru_cache(maxsize=4096)(lambda text: clean_name(spelled(text)))  # rows are many, labels few
    names = []
    for i, value in enumerate(values):
        place = what.format(row=i + first, count=len(values))
        if isinstance(value, str):
            names.append(clean(value))
        else:
            names.append(_name_of_number(value, known, place))
    return names if known is None else _all_known(names, known)


def names_of_numbers(own: Sequence[str] | None, class_names: Sequence[str] | None) -> Sequence[str] | None:
    """Return what the numbers of a data set stand for: its own names, where it has some and ``class_names`` gives the
    same in another order, else ``class_names``.
    """
    if own is None or class_names is None:
        return own if class_names is None else class_names
    asked = [str(name).replace("_", " ") for name in class_names]
    return own if sorted(own) == sorted(asked) else class_names


def _name_of_number(value: Any, known: Sequence[str] | None, place: str) -> str:
    if is_missing(value):
        raise DataError(f"{place} is missing ({value}): give each image a class name, or leave the image out.")
    whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, int) or whole):
        raise DataError(
            f"{place} is {one_line(repr(value))}, neither a text nor a whole number: give class names, or numbers "
            "from 0 and class_names=[...]."
        )
    if known is None:
        raise DataError(
            f"{place} is the number {value:g}: say what the numbers stand for with class_names=[...], of which number "
            "0 is the first, or give class names for labels. In cross_val_score that is params={'class_names': [...]}."
        )
    if not 0 <= value < len(known):
        raise DataError(
            f"{place} is the number {value:g}, but class_names has {len(known)} names, for the numbers 0 to "
            f"{len(known) - 1}: add its name, or leave the image out."
        )
    return known[int(value)]


def _all_known(names: Sequence[str], known: Sequence[str]) -> list[str]:
    names = spelled_as(names, known)
    unknown = missing_names(list(dict.fromkeys(names)), known)
    if unknown:
        raise DataError(f"Labels name {listed(unknown)}, which class_names does not: add it there, or correct them.")
    return names


def is_missing(value: Any) -> bool:
    """Return whether nothing is known there: None, NaN, or what pandas has in their place."""
    return value is None or type(value).__name__ in _ABSENT or (isinstance(value, float) and math.isnan(value))
