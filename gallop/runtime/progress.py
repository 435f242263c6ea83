"""Show progress on standard error: a bar in a terminal or a notebook, elsewhere a plain line now and then.

The bar is rich's, which is loaded when one is shown. It has colours where ``NO_COLOR`` does not forbid them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from gallop.wording import printable

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 10.0
"""Of progress, where there is no bar."""
_BAR_WIDTH = 24


@dataclass(frozen=True)
class StageEvent:
    """``done`` of ``total`` in a stage of some work."""

    stage: str
    done: int
    total: int


def moves(stream: TextIO) -> bool:
    """Return whether what is written to a stream can be written over: it is a terminal, and not a dumb one."""
    try:
        return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
    except ValueError:  # it is closed
        return False


def coloured(text: str, style: str, stream: TextIO) -> str:
    """Return a text in one of rich's styles, such as "bold red", where the stream is a terminal that may have colours.

    >>> coloured("warning", "yellow", open(os.devnull, "w"))
    'warning'
    """
    if not moves(stream) or os.environ.get("NO_COLOR"):
        return text
    from rich.style import Style

    return Style.parse(style).render(text)


def write_message(stream: TextIO, text: str) -> None:
    """Write a message beside a result, in whatever characters the stream has; a full log is no reason to stop.

    Raises:
        BrokenPipeError: the reader has closed the stream.
    """
    try:
        write_encoded(stream, text)
    except BrokenPipeError:
        raise
    except OSError:
        pass


def write_encoded(stream: TextIO, text: str) -> None:
    """Write a text at once; characters that the stream's encoding lacks become escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


class ProgressDisplay(contextlib.AbstractContextManager["ProgressDisplay"]):
    """Stages of some work, one after the other. As a context it is closed at the end.

    Args:
        wanted: without, nothing is shown.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._stream = sys.stderr
        self._wanted = wanted
        self._live = wanted and (moves(self._stream) or _in_notebook())
        self._bar: Progress | None = None
        self._stage = ""
        self._last = time.monotonic()

    def show(self, stage: str, done: int = 0, total: int = 0, note: str = "") -> None:
        """Show the progress of a stage: ``done`` of ``total``, either of which may be 0 where it is not known."""
        if not self._wanted:
            return
        if self._live:
            with contextlib.suppress(OSError):  # a terminal that has gone is no reason to stop the work
                self._draw(stage, done, total, note)
        elif (self.line_is_due(stage) or done == total) and done:
            count = f"{done}/{total}" if total else str(done)
            write_message(self._stream, printable(f"{stage} {count}{': ' if note else ''}{note}") + "\n")

    def say(self, sentence: str) -> None:
        """Write a line that stays; nothing for an empty one."""
        if self._wanted and sentence:
            self.close()
            write_message(self._stream, printable(sentence) + "\n")

    def line_is_due(self, stage: str) -> bool:
        """Return whether it is time for a line of a stage, where there is no bar; it is written then."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._last = stage, now
        if now - self._last < SECONDS_BETWEEN_LINES:
            return False
        self._last = now
        return True

    def close(self) -> None:
        """Take the bar away, so that lines can be written; it comes again when more is shown."""
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.stop()
            self._bar = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def _draw(self, stage: str, done: int, total: int, note: str) -> None:
        count = f"{done}/{total}" if total else f"{done}" if done else ""
        task: dict[str, Any] = {
            "description": printable(stage),
            "total": total or None,
            "completed": done,
            "count": count,
            "note": printable(note),
        }
        if self._bar is None:
            self._bar = _new_bar(self._stream)
            self._bar.start()
        if stage != self._stage or not self._bar.task_ids:
            for old in self._bar.task_ids:
                self._bar.remove_task(old)
            self._bar.add_task(**task)
            self._stage = stage
        else:
            self._bar.update(self._bar.task_ids[0], refresh=done == total, **task)


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this: where IPython is not loaded, none does."""
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter


def _new_bar(stream: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    plain: dict[str, Any] = {"markup": False}  # a class name may have brackets
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", **plain),
        BarColumn(bar_width=_BAR_WIDTH),
        TextColumn("{task.fields[count]}", **plain),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", style="dim", **plain),
        console=Console(file=stream, force_terminal=True if moves(stream) else None),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
