"""The command line: ``gallop`` and ``python -m gallop``. Here are dispatch and failures; each command is a module.

Nothing that loads torch is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from gallop.cli.arguments import parse
from gallop.cli.console import Console
from gallop.errors import sentence_of
from gallop.runtime.process import drop_unwritten, fill_closed_streams, prepare

prepare()  # none of these has loaded torch

BAD_INPUT, STOPPED, CLOSED_PIPE = 2, 130, 141
"""Exit statuses; the last two are what a shell shows for SIGINT and SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after ``gallop``; None takes those of the process.

    Returns:
        the exit status: 0 if all went well, 2 for bad input, 130 after Ctrl-C, 141 where standard output is no longer
        read. Where it was closed before the start, the result is dropped.
    """
    fill_closed_streams()
    try:
        return _status(argv)
    except BrokenPipeError:  # the process that read our output has ended, as in `gallop ... | head`
        return CLOSED_PIPE
    finally:
        drop_unwritten()


def _status(argv: Sequence[str] | None) -> int:
    """Run a command and return its exit status; where it fails, a sentence says why."""
    console = Console(as_json=False)
    try:
        try:
            options = parse(argv)
        except SystemExit as stop:  # after --help, --version, or a mistake
            sys.stdout.flush()
            return int(stop.code or 0)
        console = Console(options.json, options=vars(options))
        with console.listening():
            return int(import_module(f"gallop.cli.commands.{options.command}").run(options, console))
    except KeyboardInterrupt as stop:
        console.note(str(stop) or "Stopped.")
        return STOPPED
    except BrokenPipeError:
        raise
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise  # a mistake of ours: its traceback belongs into a bug report
        console.error(sentence)
        return BAD_INPUT
