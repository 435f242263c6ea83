"""Options of several commands."""

from __future__ import annotations

import argparse
import re
from argparse import Namespace
from dataclasses import fields
from typing import Any, NoReturn, TypeAlias

from gallop.checkpoints.hub import HUB
from gallop.cli import values
from gallop.cli.values import fraction
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


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""To which a command is added; generic in the type stubs only."""


def add_common(parser: Parser) -> None:
    """Add the options of nearly every command."""
    group = parser.add_argument_group("common options")
    group.add_argument("--device", default="auto", help="auto (a GPU when there is one), cpu or cuda")
    group.add_argument(
        "--backbone",
        help="mini (built in, the default), an open_clip model such as ViT-B-16/openai, ARCH/FILE, a folder, or "
        "hf-hub:OWNER/NAME; for a trained model: where its backbone's weights are now",
    )
    group.add_argument("--json", action="store_true", help="write JSON, and nothing else, to standard output")


def add_detail(parser: Parser) -> None:
    """Add the options of the second look, for commands that do not train."""
    about = settings_of(MethodConfig)["detail"]
    parser.add_argument(
        "--detail",
        type=float,
        metavar=about.metavar,
        help=f"instead of the model's value, and drops the threshold that goes with it: {about.help}",
    )
    parser.add_argument(
        "--detail-in",
        choices=("answers", "maps"),
        default="answers",
        help="what the second look of --detail is for: answers and maps, or maps only (%(default)s)",
    )


def add_model_or_classes(parser: Parser) -> None:
    """Add the two ways to name classes."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--model", metavar="MODEL", help=MODEL_HELP)
    group.add_argument("--classes", metavar='"A,B"', help="class names, for zero-shot classification without training")
    add_tpr(parser)


def add_tpr(parser: Parser) -> None:
    """Add the fraction of known photos that the "none of these" threshold accepts."""
    parser.add_argument(
        "--tpr",
        type=fraction,
        metavar="FRACTION",
        help='fraction of known photos that the "none of these" threshold accepts, estimated on shots held out in '
        "training; a lower fraction detects more unknown things (0.95)",
    )


def add_settings(group: argparse._ArgumentGroup, usual: Any, paper: Any) -> None:
    """Add an option for each setting of a config. One that is not given is None in the namespace.

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
            group.add_argument(name, dest=each.name, action="store_const", const=not each.default, help=words)
            if len(defaults) > 1 or getattr(usual, each.name) != each.default:
                group.add_argument(
                    about.opposite_of(each.name),
                    dest=each.name,
                    action="store_const",
                    const=each.default,
                    help=f"the opposite of {name}",
                )
            continue
        wanted: dict[str, Any] = {"choices": about.choices} if about.choices else {"metavar": about.metavar}
        kind: Any = str if about.choices else values.topk if isinstance(each.default, tuple) else type(each.default)
        group.add_argument(
            name, dest=each.name, type=kind, help=f"{words} ({'; '.join(defaults)})".replace("%", "%%"), **wanted
        )


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
