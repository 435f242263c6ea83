"""Output of the command line: progress, warnings and errors on standard error, the result on standard output."""

from __future__ import annotations

import json
import math
import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gallop.runtime.progress import ProgressDisplay, coloured, write_encoded, write_message
from gallop.wording import printable, shortened

_NUMBER = re.compile(r"-|-?[0-9.]+%?")
_ARGUMENT = re.compile(r"(?<![\w./\\-])([a-z]\w*)=(?:'([^'\s]+)'|(\.\.\.|[\w-]+(?:\.\d+)?))(?![\w/\\=])")
"""As messages of the library name it: ``device='cpu'``, ``allow_fewer=True``, ``backbone=...``; no part of a path."""


class Console:
    """One run's output.

    Args:
        as_json: the result is written as JSON instead of a table.
        options: those of the command, by their names in Python. Messages of the library that name such an argument
            name the option in its place.
    """

    def __init__(self, as_json: bool, *, options: Collection[str] = ()) -> None:
        self._options = options
        self._as_json = as_json
        self._progress = ProgressDisplay()

    def progress(
        self, stage: str, done: int = 0, total: int = 0, note: str = "", facts: Mapping[str, Any] | None = None
    ) -> None:
        """Show the progress of a stage: a bar on a terminal; elsewhere a line now and then.

        Args:
            facts: the same for programs: with ``--json`` they are the line, as JSON.
        """
        if self._as_json and facts is not None:
            if self._progress.line_is_due(stage):
                write_message(sys.stderr, json.dumps(plain_line(facts), allow_nan=False) + "\n")
            return
        self._progress.show(stage, done, total, note)

    def last_of(self, steps: Iterator[Any], of: str = "") -> Any:
        """Take steps of the library, show the progress of those that tell it, and return the last, their result."""
        for event in steps:
            if hasattr(event, "stage"):
                self.progress(f"{event.stage}{of}", event.done, event.total)
        return event

    def warn(self, sentence: str) -> None:
        """Write a warning to standard error, as one line."""
        self._say("gallop: warning:", sentence, "yellow")

    def error(self, sentence: str) -> None:
        """Write why the work stops to standard error, as one line."""
        self._say("gallop: error:", sentence, "bold red")

    def note(self, sentence: str) -> None:
        """Write a note to standard error, as one line."""
        self._say("gallop:", sentence, "bold")

    def result(self, data: object, table: Callable[[], Sequence[str]]) -> None:
        """Write the result, as JSON or as the lines of a table for people."""
        self._progress.close()
        if self._as_json:
            text = json.dumps(plain_line(data), indent=2, allow_nan=False)
        else:
            text = "\n".join(printable(line) for line in table())
        write_encoded(sys.stdout, f"{text}\n")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Show the library's warnings as one line each, for as long as the block runs."""
        with warnings.catch_warnings():
            shown = warnings.showwarning

            def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
                if issubclass(category, UserWarning):
                    self.warn(str(message))
                else:
                    shown(message, category, *rest, **named)

            warnings.showwarning = show
            try:
                yield
            finally:
                self._progress.close()

    def _say(self, begins: str, sentence: str, style: str) -> None:
        self._progress.close()
        line = printable(shortened(f"{begins} {_ARGUMENT.sub(self._as_option, sentence)}"))
        write_message(sys.stderr, f"{coloured(begins, style, sys.stderr)}{line.removeprefix(begins)}\n")

    def _as_option(self, argument: re.Match[str]) -> str:
        name, value = argument[1], argument[2] or argument[3]
        if name not in self._options or value in ("False", "None"):
            return argument[0]
        option = f"--{name.replace('_', '-')}"
        return option if value == "True" else f"{option} {value}"


def plain_line(value: Any) -> Any:
    """Return the types that JSON has: numpy's numbers become Python's, and a number that is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): plain_line(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_line(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return plain_line(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def percentage(fraction: float | None) -> str:
    """Return a fraction as text for people; a dash where there is none."""
    return "-" if fraction is None else f"{100 * fraction:.1f}%"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a heading and rows of cells, in columns: numbers to the right, text to the left."""
    cells = [[printable(cell) for cell in row] for row in rows]
    aligned: list[list[str]] = []
    for column in zip(*cells, strict=True):
        width = max(len(cell) for cell in column)
        numbers = all(_NUMBER.fullmatch(cell) for cell in column[1:])
        aligned.append([cell.rjust(width) if numbers else cell.ljust(width) for cell in column])
    return ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]
