"""Options of several commands."""

from __future__ import annotations

import argparse
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from gallop.checkpoints.hub import HUB
from gallop.cli import values
from gallop.config import MethodConfig
from gallop.setting import settings_of
from gallop.wording import did_you_mean, one_line

MODEL_HELP = f"folder of a trained model, or {HUB}USER/NAME[@REVISION] for one on the Hugging Face Hub"
"""The help of every option that names a model."""


class Parser(argparse.ArgumentParser):
    """argparse with one sentence for an error, and no guessing of shortened options."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(
            *args, **{"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False, **named}
        )

    def parse_known_args(self, *args: Any, **named: Any) -> Any:
        options, unknown = super().parse_known_args(*args, **named)
        if unknown:  # refused by the command's parser, which knows its options
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}."
                + did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            )
        return options, unknown

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.+)' \(choose from (.+)\)", message)
        near = did_you_mean(wrong[1], re.findall(r"[^', ]+", wrong[2])) if wrong else ""
        self.exit(2, f"gallop: error: {one_line(message)}{near and '.'}{near} (`{self.prog} --help` shows examples)\n")


class Option:
    """An argument of a command: what ``add_argument`` takes."""

    def __init__(self, *names: str, **how: Any) -> None:
        self._names, self._how = names, how

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        parser.add_argument(*self._names, **self._how)


@dataclass(frozen=True)
class Group:
    """Options under a heading in the help."""

    options: Sequence[Option]
    title: str

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        add_options(parser.add_argument_group(self.title), self.options)


@dataclass(frozen=True)
class OneOf:
    """Options of which at most one may be given, or exactly one where one is ``required``."""

    options: Sequence[Option]
    required: bool = False

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        add_options(parser.add_mutually_exclusive_group(required=self.required), self.options)


@dataclass(frozen=True)
class Command:
    """A command: its line among all commands, what it is about, its options, and examples."""

    help: str
    about: str
    options: Sequence[Option | Group | OneOf]
    examples: str

    def add_to(self, commands: argparse._SubParsersAction[Parser], name: str) -> None:
        """Add it under a name."""
        parser = commands.add_parser(name, help=self.help, description=self.about, epilog=self.examples)
        parser.set_defaults(json=False)  # some have no result
        add_options(parser, self.options)


def add_options(parser: argparse._ActionsContainer, options: Sequence[Option | Group | OneOf]) -> None:
    """Add options to a parser, or to a group of one."""
    for option in options:
        option.add_to(parser)


JSON = Option("--json", action="store_true", help="write JSON, and nothing else, to standard output")
COMMON = Group(
    [
        Option("--device", default="auto", help="auto (a GPU when there is one), cpu or cuda"),
        Option(
            "--backbone",
            help="mini (built in, the default), an open_clip model such as ViT-B-16/openai, ARCH/FILE, a folder, or "
            "hf-hub:OWNER/NAME; for a trained model: where its backbone's weights are now",
        ),
        JSON,
    ],
    "common options",
)
"""Of nearly every command."""

_ABOUT_DETAIL = settings_of(MethodConfig)["detail"]
DETAIL = (
    Option(
        "--detail",
        type=float,
        metavar=_ABOUT_DETAIL.metavar,
        help=f"instead of the model's value, and drops the threshold that goes with it: {_ABOUT_DETAIL.help}",
    ),
    Option(
        "--detail-in",
        choices=("answers", "maps"),
        default="answers",
        help="what the second look of --detail is for: answers and maps, or maps only (%(default)s)",
    ),
)
"""The second look, for commands that do not train."""

TPR = Option(
    "--tpr",
    type=values.fraction,
    metavar="FRACTION",
    help='fraction of known photos that the "none of these" threshold accepts, estimated on shots held out in '
    "training; a lower fraction detects more unknown things (0.95)",
)
MODEL_OR_CLASSES = (
    OneOf(
        [
            Option("--model", metavar="MODEL", help=MODEL_HELP),
            Option("--classes", metavar='"A,B"', help="class names, for zero-shot classification without training"),
        ],
        required=True,
    ),
    TPR,
)


def settings_options(usual: Any, paper: Any) -> Iterator[Option]:
    """Yield an option for each setting of a config. One that is not given is None in the namespace.

    Args:
        usual: the config whose values hold for what is not given.
        paper: the paper's, whose values the help gives where they differ.
    """
    settings = settings_of(usual)
    for each in fields(usual):
        about = settings[each.name]
        name = about.option_of(each.name)
        if not name:
            continue
        defaults = [_shown(getattr(usual, each.name))]
        if (of_paper := _shown(getattr(paper, each.name))) != defaults[0]:
            defaults.append(f"paper {of_paper}")
        words = about.help[0].lower() + about.help[1:].rstrip(".")
        if isinstance(each.default, bool):
            flag = {"dest": each.name, "action": "store_const"}
            yield Option(name, const=not each.default, help=words, **flag)
            if len(defaults) > 1 or getattr(usual, each.name) != each.default:
                yield Option(about.opposite_of(each.name), const=each.default, help=f"the opposite of {name}", **flag)
            continue
        wanted: dict[str, Any] = {"choices": about.choices} if about.choices else {"metavar": about.metavar}
        kind: Any = str if about.choices else values.topk if isinstance(each.default, tuple) else type(each.default)
        told = f"{words} ({'; '.join(defaults)})".replace("%", "%%")
        yield Option(name, dest=each.name, type=kind, help=told, **wanted)


def given(options: Namespace, kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a dataclass that were given."""
    return {name: value for name in settings_of(kind) if (value := getattr(options, name, None)) is not None}


def _shown(value: Any) -> str:
    return (
        ",".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
