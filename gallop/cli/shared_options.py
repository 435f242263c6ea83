"""What the words of several commands share."""

from __future__ import annotations

import argparse
from argparse import Namespace
from dataclasses import fields
from typing import Any, NoReturn, TypeAlias

from gallop.checkpoints.hub import HUB
from gallop.cli import values
from gallop.cli.values import part, share_kept, some
from gallop.config import MethodConfig
from gallop.setting import settings_of
from gallop.wording import one_line

MODEL_HELP = f"folder of a trained model, or {HUB}USER/NAME[@REVISION] of one on the Hugging Face Hub"
"""What is told wherever a model is named."""


class Parser(argparse.ArgumentParser):
    """argparse with one sentence for an error, and no guessing of shortened options."""

    def __init__(self, *args: Any, **named: Any) -> None:
        ours: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
        super().__init__(*args, **(ours | named))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"gallop: error: {one_line(message)} (`{self.prog} --help` shows examples)\n")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""To which a command is added; generic in the type stubs only."""


def add_common(parser: Parser) -> None:
    """Add what nearly every command takes."""
    group = parser.add_argument_group("options of every command")
    group.add_argument("--device", default="auto", help="auto (a GPU when there is one), cpu or cuda")
    group.add_argument(
        "--backbone",
        help="mini (shipped, the default), an open_clip pair such as ViT-B-16/openai, ARCH/FILE or a folder; for a "
        "trained model: where its backbone's weights are now",
    )
    group.add_argument("--json", action="store_true", help="JSON, and nothing else, on standard output")


def add_detail(parser: Parser) -> None:
    """Add how closely photos are looked at, for commands that train nothing."""
    about = settings_of(MethodConfig)["detail"]
    parser.add_argument(
        "--detail",
        type=float,
        metavar=about.metavar,
        help=f"instead of the model's own, with which its limit for unknown things goes: {about.help}",
    )
    parser.add_argument(
        "--detail-in",
        choices=("answers", "maps"),
        default="answers",
        help="what the second look of --detail is for: answers and maps, or maps alone (%(default)s)",
    )


def add_model_or_classes(parser: Parser) -> None:
    """Add the two ways to name classes."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--model", metavar="MODEL", help=MODEL_HELP)
    group.add_argument("--classes", metavar='"A,B"', help="class names, for an answer without training")
    add_tpr(parser)


def add_tpr(parser: Parser) -> None:
    """Add the share that the limit of "none of these" keeps."""
    parser.add_argument(
        "--tpr",
        type=share_kept,
        metavar="SHARE",
        help='of the known photos that the limit of "none of these" lets pass, by the shots that were held out while '
        "it was taught: a lower one notices more unknown things (0.95)",
    )


def add_many(parser: Parser, made: str) -> None:
    """Add what commands take that answer many photos into a folder of tables."""
    group = parser.add_argument_group("many photos, into a folder of Parquet tables")
    group.add_argument(
        "--out",
        metavar="DIR",
        help=f"write {made} there, a folder or an address such as s3://bucket/answers, in tables of thousands of "
        "photos; made again, a call that was cut off goes on",
    )
    group.add_argument("--part", type=part, default=(1, 1), metavar="I/N", help="do one of N shares of the work")
    group.add_argument("--shard-size", type=some, default=4096, metavar="PHOTOS", help="of a table (4096)")
    group.add_argument("--column", metavar="NAME", help="of a .csv or .parquet table, that holds paths, URLs or bytes")
    group.add_argument(
        "--draft",
        action="store_true",
        help="decode JPEGs whose short side is four times the backbone's input or more at a half, a quarter or an "
        "eighth of their size: two to three times faster, and answers move (probabilities by 0.02 in the mean)",
    )
    group.add_argument("--web", action="store_true", help="also read photos from public addresses of the web")
    group.add_argument(
        "--buckets",
        action="store_true",
        help="also read photos from any bucket (s3://, hf://, ...) or Windows share that a list or table names, with "
        "your keys; without, only from the one that it lies in itself",
    )
    group = parser.add_argument_group("many photos, on many machines or processes (extra ray)")
    group.add_argument("--engine", choices=("here", "ray"), default="here", help="in this process, or by Ray's workers")
    group.add_argument(
        "--address", metavar="HOST:PORT", help="of a Ray cluster, or auto; without, Ray is started here for this call"
    )
    group.add_argument(
        "--workers",
        type=some,
        metavar="N",
        help="how many; without, one a processor, or two a GPU where there are GPUs",
    )


def add_settings(group: argparse._ArgumentGroup, usual: Any, paper: Any) -> None:
    """Add an option for each setting of a config. One that is not given is None in the namespace.

    Args:
        usual: the config whose values hold for what is not given.
        paper: the paper's, whose values the help tells where they differ.
    """
    settings = settings_of(usual)
    for each in fields(usual):
        about = settings[each.name]
        name = about.option_of(each.name)
        if not name:
            continue
        told = [_shown(getattr(usual, each.name))]
        if (of_paper := _shown(getattr(paper, each.name))) != told[0]:
            told.append(f"paper {of_paper}")
        words = about.help[0].lower() + about.help[1:].rstrip(".")
        if isinstance(each.default, bool):
            group.add_argument(name, dest=each.name, action="store_const", const=not each.default, help=words)
            if len(told) > 1 or getattr(usual, each.name) != each.default:
                opposite = about.opposite_of(each.name)
                group.add_argument(
                    opposite, dest=each.name, action="store_const", const=each.default, help=f"not {name}"
                )
            continue
        wanted: dict[str, Any] = {"choices": about.choices} if about.choices else {"metavar": about.metavar}
        kind: Any = str if about.choices else values.topk if isinstance(each.default, tuple) else type(each.default)
        group.add_argument(
            name, dest=each.name, type=kind, help=f"{words} ({'; '.join(told)})".replace("%", "%%"), **wanted
        )


def given(options: Namespace, kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a dataclass that were given."""
    found = {name: getattr(options, name, None) for name in settings_of(kind)}
    return {name: value for name, value in found.items() if value is not None}


def _shown(value: Any) -> str:
    return (
        ",".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
