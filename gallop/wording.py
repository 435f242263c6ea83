"""Words of strangers within our sentences: on one line, of a length that can be read, and steering no terminal.

Imports nothing of gallop's.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

LONGEST_SENTENCE = 2000
"""Characters of an error or a warning, whatever is quoted in it."""
MOST_LISTED, LONGEST_LISTED = 6, 80
NONE_OF_THESE = "none of these"


def printable(text: str) -> str:
    """Return one line that cannot steer a terminal: control characters and broken file names become escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def shortened(text: str, most: int = LONGEST_SENTENCE) -> str:
    """Return a text of at most ``most`` characters, without its middle where it has more.

    Its end stays, because that is where a sentence says what to do.

    >>> shortened("a name that never ends", 14)
    'a nam ... ends'
    """
    if len(text) <= most:
        return text
    end = (most - 5) // 2
    return f"{text[: most - 5 - end]} ... {text[len(text) - end :]}"


def as_drawn(text: str) -> str:
    """Return text that matplotlib draws unchanged: a dollar sign begins no formula."""
    return text.replace("$", r"\$")


def quoted(value: object) -> str:
    """Return a value as a sentence quotes it: as Python writes it, on one line, and cut where it is long.

    >>> quoted("five"), len(quoted("five" * 1000))
    ("'five'", 80)
    """
    return printable(shortened(repr(value), LONGEST_LISTED))


def one_line(text: str) -> str:
    """Return a sentence with what it quotes, shortened, printable and without line breaks."""
    return printable(shortened(" ".join(text.split())))


def listed(names: Sequence[str], most: int = MOST_LISTED) -> str:
    """Return names as words of a sentence: of many the first and a count, each printable and cut where it is long.

    >>> listed(["cat", "dog", "hen"], most=2)
    'cat, dog and 1 more'
    """
    shown = ", ".join(shortened(printable(name[: 2 * LONGEST_LISTED]), LONGEST_LISTED) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def counted(number: int, what: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "shot"), counted(2, "shot")
    ('1 shot', '2 shots')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def in_percent(fraction: float, digits: int = 0) -> str:
    """Return a fraction as sentences and pages write it.

    >>> in_percent(0.958), in_percent(0.958, 1)
    ('96 %', '95.8 %')
    """
    return f"{100 * fraction:.{digits}f} %"


def time_in_words(seconds: float) -> str:
    """Return a time in words, rounded because it is an estimate.

    >>> time_in_words(8.2), time_in_words(95), time_in_words(400)
    ('about 8 s', 'about 2 min', 'about 7 min')
    """
    return f"about {max(round(seconds), 1)} s" if seconds < 60 else f"about {round(seconds / 60)} min"


def did_you_mean(word: str, known: Iterable[str], shown: Mapping[str, str] | None = None) -> str:
    """Return a sentence that offers the known words that are most like a wrong one; empty where none is similar.

    Args:
        shown: the text that is offered for each known word.

    >>> did_you_mean("vit-b-16", ["ViT-B-16", "ViT-B-32", "RN50"])
    ' Did you mean ViT-B-16 or ViT-B-32?'
    """
    spelled = {each.casefold(): each for each in known}
    near = get_close_matches(word.casefold(), spelled, n=2, cutoff=0.7)
    words = [spelled[each] if shown is None else shown[spelled[each]] for each in near]
    return f" Did you mean {' or '.join(words)}?" if words else ""


def answer_in_words(label: str, is_ood: bool | None, doubt: str = "") -> str:
    """Return an answer in the words that are used everywhere.

    >>> answer_in_words("lemon", True), answer_in_words("lemon", False), answer_in_words("lemon", None)
    ('none of these (nearest: lemon)', 'lemon', 'lemon')
    >>> answer_in_words("lemon", True, "This threshold is unreliable here: ...")
    'nearest: lemon'

    Args:
        is_ood: the verdict, None where there is no limit.
        doubt: why the limit decides nothing here; empty where it does.
    """
    if doubt:
        return f"nearest: {label}"
    return f"{NONE_OF_THESE} (nearest: {label})" if is_ood else label


def strangeness(score: float, limit: float, classes: int) -> float:
    """Return where an outlier score (GL-MCM) lies between 0, sure, and 1, as strange as can be: all classes fit alike.

    The limit for "none of these" is in the middle, 0.5.

    >>> strangeness(-0.75, -0.75, 4), strangeness(-0.5, -0.75, 4), strangeness(-1.0, -0.75, 4)
    (0.5, 1.0, 0.25)
    """
    beyond = (score - limit) / max(-2 / classes - limit, 1e-6)
    return 0.5 / (1 - beyond) if beyond < 0 else min(0.5 + beyond / 2, 1.0)


def strange_in_words(strange: float) -> str:
    """Return what ``strangeness`` means.

    >>> strange_in_words(0.2), strange_in_words(0.51)
    ('like one of these', 'like none of these, but only just')
    """
    which, clear = ("like one of these", strange < 0.45) if strange <= 0.5 else ("like none of these", strange > 0.55)
    return which if clear else f"{which}, but only just"


def named_kind(value: object) -> str:
    """Return words for the type of a value that was given, such as "a DataLoader"."""
    name = type(value).__name__
    return "nothing (None)" if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table for a notebook, with everything in it escaped."""

    def line(cells: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    return f"<table><thead>{line(head, 'th')}</thead><tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table>"
