"""Clean, check and read class names.

A class name is text that goes into a prompt, onto a screen and into a file. Here it becomes one line without control
characters; everything after this module may rely on that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from gallop.errors import ClassNameError
from gallop.wording import answer_in_words, quoted

MAX_NAME_LENGTH = 200
"""Characters. A guard against pasted documents; the text encoder's limit is counted in tokens."""


# Separators (Z*) and control characters (Cc) become spaces; format characters (Cf: bidi marks, zero-width) vanish, as
# do surrogates (Cs), which no file or browser can hold.
_REPLACED = {"Cc": " ", "Zs": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": ""}

SOMETHING_ELSE = "something else"
"""The name of all that the one class of a model is not: such a model answers yes, no or unsure."""


def one_class(class_names: Sequence[str]) -> int | None:
    """Return the place of the one class beside ``SOMETHING_ELSE``; None of any other class list."""
    one = len(class_names) == 2 and SOMETHING_ELSE in class_names
    return 1 - list(class_names).index(SOMETHING_ELSE) if one else None


def said(label: str, verdict: bool | None, class_names: Sequence[str], doubt: str = "") -> str:
    """Return an answer in words: "yes", "no" or "unsure" of a model of one class, else as ``answer_in_words``.

    Args:
        verdict: "none of these", or of a model of one class "unsure"; None where nothing decides.
        doubt: as for ``answer_in_words``.

    >>> said("mug", False, ["mug", "something else"]), said("mug", True, ["mug", "vase"])
    ('yes', 'none of these (nearest: mug)')
    """
    if one_class(class_names) is None:
        return answer_in_words(label, verdict, doubt)
    return "unsure" if verdict else "no" if label == SOMETHING_ELSE else "yes"


def clean_name(name: str) -> str:
    """Return one line of text: NFC, control and bidirectional characters removed, white space collapsed.

    Raises:
        ClassNameError: not text, nothing left, or longer than ``MAX_NAME_LENGTH`` characters.

    >>> clean_name("  golden\\tretriever ")
    'golden retriever'
    """
    if not isinstance(name, str):
        raise ClassNameError(f"A class name must be text, not {type(name).__name__} ({quoted(name)}).")
    characters = (_REPLACED.get(unicodedata.category(char), char) for char in name)
    # Composed last: an invisible character may have been between a letter and its accent.
    cleaned = unicodedata.normalize("NFC", " ".join("".join(characters).split()))
    if not cleaned:
        raise ClassNameError(f"The class name {name!r} has no visible characters. Add a word to it.")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise ClassNameError(
            f"The class name {cleaned[:40]!r}... has {len(cleaned)} characters; the maximum is {MAX_NAME_LENGTH}."
        )
    return cleaned


def clean_names(names: Iterable[str], clean: Callable[[str], str] = clean_name) -> tuple[str, ...]:
    """Clean each name and refuse names that become equal (upper and lower case count as equal).

    Args:
        clean: ``folder_to_name`` where the names are those of folders.

    Raises:
        ClassNameError: a bad name, two names equal after cleaning (both are named), or no name at all.
    """
    if isinstance(names, str):
        raise ClassNameError(
            "Class names must be a list, not a single string. Use parse_names to split a string at commas and line "
            "breaks."
        )
    seen: dict[str, tuple[str, str]] = {}  # a name as it was given, and clean, by what tells it from others
    for name in names:
        text = clean(name)
        key = text.casefold()
        if key in seen:
            raise ClassNameError(
                f"The class names {seen[key][0]!r} and {name!r} are the same (case, spacing and invisible characters "
                "do not count). Rename one."
            )
        seen[key] = name, text
    if not seen:
        raise ClassNameError("No class names were given. Give at least one.")
    return tuple(text for _, text in seen.values())


def several_labels(names: Sequence[str]) -> list[str]:
    """Return the names that look like several labels of one photo: a part of them is another class of the list.

    >>> several_labels(["mug", "vase", "mug,vase", "tench, Tinca tinca"])
    ['mug,vase']
    """
    known = {name.casefold() for name in names}
    parts = {name: {part.strip().casefold() for part in re.split("[,;|/+&]", name)} for name in names}
    return [name for name in names if len(parts[name]) > 1 and parts[name] & known - {name.casefold()}]


def parse_names(text: str) -> tuple[str, ...]:
    """Return class names from one text: separated by commas or newlines, empty pieces left out.

    Raises:
        ClassNameError: as ``clean_names``.

    >>> parse_names("cat, dog")
    ('cat', 'dog')
    """
    # Only these two separate: str.splitlines would also cut at U+2028, U+0085 and vertical tabs.
    return clean_names(piece for line in text.split("\n") for piece in line.split(",") if piece.strip())


def folder_to_name(folder: str) -> str:
    """Return the class name of a folder from its name: ``_`` is a space."""
    name = folder.replace("_", " ")
    if not name.strip():
        raise ClassNameError(
            f"The name of the folder {folder!r} has no visible characters, so its class has no name. Rename the folder."
        )
    return clean_name(name)


def missing_names(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the names of ``wanted`` that are not in ``known``, in order."""
    present = set(known)
    return [name for name in wanted if name not in present]


def spelled_as(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """Spell each name as ``known`` has it, where it is there or differs from one there by ``_`` for a space alone.

    >>> spelled_as(["cat", "great dane"], ["cat", "great_dane"])
    ['cat', 'great_dane']
    """
    spellings = {name.replace("_", " "): name for name in known} | {name: name for name in known}
    return [spellings.get(name, name) for name in names]
