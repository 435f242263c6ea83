"""The figures as tables: a line a way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.maps.figures import Hits
from benchmarks.maps.games import Games

AT = 8
"""Percent of the picture that a thing covers where games are played."""

Column = tuple[int, bool]
"""Percent that a thing covers, and whether another is beside it."""
ColumnHits = Mapping[Column, Mapping[str, Hits]]
"""Hits of a classifier, by column and way."""


def table(by_column: ColumnHits, played: Mapping[str, Games]) -> str:
    """Return the lines of a classifier, in percent, and their standard errors."""
    ways = list(dict.fromkeys(way for each in by_column.values() for way in each))
    lines = [row(way, {column: each[way] for column, each in by_column.items()}, played.get(way)) for way in ways]
    errors = [hits.figures for each in by_column.values() for hits in each.values()]
    best, top = (100 * max(figures[place].error for figures in errors) for place in (0, 1))
    sure = f"Standard errors over things: at most {best:.0f} (best) and {top:.0f} (top) points."
    return "\n".join([heading(list(by_column)), *lines, "", sure])


def heading(columns: Sequence[Column]) -> str:
    words = [_words(*column) for column in columns]
    cells = ["map", *words, f"other, {AT} %", "deletion", "insertion"]
    return f"| {' | '.join(cells)} |\n|---|{'---:|' * (len(cells) - 1)}"


def _words(percent: int, second: bool) -> str:
    return f"{percent} %{', beside another' if second else ''}"


def row(way: str, hits: Mapping[Column, Hits], played: Games | None) -> str:
    """Return a line of a table, in percent."""
    figures = {column: each.figures for column, each in hits.items()}
    texts = [f"{100 * best.mean:.0f} / {100 * top.mean:.0f}" for best, top, _ in figures.values()]
    texts.append(f"{100 * figures[AT, True][2].mean:.0f}" if (AT, True) in figures else "")
    texts += [f"{100 * played.deletion:.0f}", f"{100 * played.insertion:.0f}"] if played else ["", ""]
    return f"| {' | '.join([way, *texts])} |"
