"""Text from users, made safe for Markdown and for Plotly. Every name that is shown goes through one of these.

Streamlit renders labels, captions, options of pills and the like as Markdown, where ``![x](http://...)`` would make the
browser fetch a picture. Raw text is right for selectbox, text areas, dataframes and alternative texts.
"""

from __future__ import annotations

import html
import re
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

from gallop.documents.markdown import plain_markdown
from gallop.wording import in_percent

_JOINER = "\u2060"  # invisible; keeps emoji codes, bare addresses and e-mail addresses from being recognised
_LINKS = re.compile(r"(?<=:)(?=\S)|(?<=@)|(?<=www)(?=\\?\.)", re.IGNORECASE)


def markdown(text: object) -> str:
    """Return ``text`` escaped for Markdown, so that it is shown as typed.

    >>> markdown("*a* <b>")
    '\\\\*a\\\\* \\\\<b\\\\>'
    """
    return _LINKS.sub(_JOINER, plain_markdown(str(text)))


def plotly(text: object, longest: int = 32) -> str:
    """Return ``text`` escaped for a Plotly label, shortened to ``longest`` characters."""
    # Plotly reads a few HTML tags and, between dollar signs, mathematics.
    return html.escape(shorten(text, longest), quote=False).replace("$", "&#36;")


def shorten(text: object, longest: int = 32) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def percent(probability: float) -> str:
    """Return a probability in words that never claim certainty: 0.99999 is "> 99.9 %".

    >>> percent(0.5), percent(0.99999), percent(0.00001)
    ('50.0 %', '> 99.9 %', '< 0.1 %')
    """
    if probability > 0.9995:
        return "> 99.9 %"
    if 0 < probability < 0.0005:
        return "< 0.1 %"
    return share(probability, 1)


share = in_percent
"""Return a counted fraction in words."""


def gain(points: float, on: str, digits: int = 0) -> str | None:
    """Return a difference in words, such as "+3 points vs zero-shot"; None where it rounds to 0.

    >>> gain(3.2, "zero-shot"), gain(-0.04, "B", 1)
    ('+3 points vs zero-shot', None)
    """
    return f"{points:+.{digits}f} points vs {on}" if round(points, digits) else None


def joined(names: list[str] | tuple[str, ...], most: int = 6) -> str:
    """Return names in a sentence, not escaped: "a, b and c"; of a long list the first few and a count."""
    shown = [shorten(name) for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def time_of_day(seconds: float, zone: str | None = None) -> str:
    """Return the time of day, so many seconds since 1970, in a browser's time zone.

    >>> time_of_day(1700000000, "Europe/Berlin")
    '23:13'

    Args:
        zone: the name that a browser sends, which may be anything; for an unknown zone this machine's is used.
    """
    where = None
    with suppress(KeyError, ValueError, OSError):
        where = ZoneInfo(zone or "")
    return f"{datetime.fromtimestamp(seconds, where):%H:%M}"


def roughly(seconds: float) -> str:
    """Return a duration in rough words.

    >>> roughly(120), roughly(5400), roughly(28800)
    ('a few minutes', '90 minutes', '8 hours')
    """
    if seconds < 600:
        return "a few minutes"
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:.3g} hours"


def size_in_words(size: float) -> str:
    """Return so many bytes in words.

    >>> size_in_words(300_000), size_in_words(4.2e7), size_in_words(2.41e9)
    ('0.3 MB', '42 MB', '2.4 GB')
    """
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e6:.1f} MB"
