"""The command line: ``gallop`` and ``python -m gallop``. Here are dispatch and failures; each command is a module.

Nothing that loads torch is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module

from gallop.cli.arguments import command_modules, parse
from gallop.cli.console import Console
from gallop.errors import Unreachable, sentence_of
from gallop.runtime.process import prepare

prepare()  # none of these has loaded torch

BAD_INPUT, LATER, STOPPED, CLOSED_PIPE = 2, 75, 130, 141
"""Exit statuses; 75 is sysexits' for what may go well later, the last two what a shell shows for SIGINT and SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after ``gallop``; None takes those of the process.

    Returns:
        the exit status: 0 if all went well, 2 for bad input, 75 where a bucket or server has stopped answering and the
        same call goes on later, 130 after Ctrl-C.
    """
    try:
        try:
            options = parse(argv)
        except SystemExit as stop:
            sys.stdout.flush()
            return int(stop.code or 0)
        console = Console(options.json)
        with console.listening():
            return _run(options, console)
    except BrokenPipeError:
        # Whoever read our output has gone, as in `gallop ... | head`. Nothing may be flushed into the pipe at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def _run(options: Namespace, console: Console) -> int:
    try:
        command = import_module(f"gallop.cli.commands.{command_modules()[options.command]}")
        return int(command.run(options, console))
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
        return LATER if isinstance(error, Unreachable) else BAD_INPUT
