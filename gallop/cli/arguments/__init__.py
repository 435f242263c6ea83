"""The arguments of the command line, with examples. Nothing here imports torch.

A command of ``COMMANDS`` does what the module of its name in ``gallop.cli.commands`` says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gallop import __version__
from gallop.cli.arguments import answering, learning, running
from gallop.cli.shared_options import Parser

DESCRIPTION = """\
GalLoP: few-shot image classification with global and local prompts that shows which of them decided.

A data set is a folder with one folder of images for each class; the class name is the folder's name, with _ as space.
If it contains train/ and test/, commands train on train/ and evaluate on test/. A data set can also be a .csv table
with the columns path and label, and optionally split (train or test)."""

_EXAMPLES = """\
examples:
  gallop sample photos
  gallop train photos --out model --shots 8
  gallop evaluate model photos
  gallop evidence model photos --out evidence.html
  gallop predict holiday/ --model model --csv answers.csv
  gallop predict cat.jpg --classes "cat, dog, horse"
  gallop explain cat.jpg --model model --out why.png
  gallop export model --onnx model.onnx
  gallop data check photos
  gallop backbones
  gallop backbones --check
  gallop data photos --curve
  gallop sort pile --model model --out sorted
  gallop bench photos-mini sets --out results
  gallop serve model
  gallop app

Results go to standard output (--json: JSON and nothing else), progress and warnings to standard error.
Exit status: 0 success, 2 bad input, 130 stopped by Ctrl-C. `gallop COMMAND --help` shows more examples."""


COMMANDS = {
    "app": running.APP,
    "backbones": running.BACKBONES,
    "bench": learning.BENCH,
    "data": learning.DATA,
    "evaluate": learning.EVALUATE,
    "evidence": answering.EVIDENCE,
    "explain": answering.EXPLAIN,
    "export": answering.EXPORT,
    "predict": answering.PREDICT,
    "sample": learning.SAMPLE,
    "serve": running.SERVE,
    "sort": answering.SORT,
    "train": learning.TRAIN,
}


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of a call.

    Raises:
        SystemExit: after --help, --version (0) or a mistake (2).
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:2] == ["data", "check"]:
        del words[1]  # which is the same
    # Of a command that is named, the words of others are of no use.
    return build_parser([word for word in words[:1] if word in known_commands()] or known_commands()).parse_args(words)


def known_commands() -> list[str]:
    """Return the names of all commands."""
    return sorted(COMMANDS)


def build_parser(names: Sequence[str]) -> Parser:
    """Return the parser of some commands."""
    parser = Parser("gallop", description=DESCRIPTION, epilog=_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"gallop {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        COMMANDS[name].add_to(commands, name)
    return parser
