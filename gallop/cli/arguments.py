"""The words of the command line: what each command takes, with examples. Nothing here imports torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, get_args

from gallop import __version__
from gallop.cli import examples, values
from gallop.cli.app_arguments import add_app
from gallop.cli.data_arguments import add_data
from gallop.cli.setting_options import add_settings
from gallop.config import REGION_ADVICE, REGION_KINDS, REGION_RULES, MethodConfig, Preset, train_preset
from gallop.wording import one_line

DESCRIPTION = """\
GalLoP: few-shot image classification with global and local prompts that shows which of them decided.

A data set is a folder that holds one folder of images for each class; the class name is the folder's name with _ as
space. A folder that holds train/ and test/ is resolved: train/ to learn from, test/ to evaluate on. A table will do as
well: a file that ends in .csv, with the columns path and label, and perhaps split (train or test)."""

_TEXT_OPTIONS = ("--classes", "--class")
_Subparsers = argparse._SubParsersAction  # generic in the type stubs only


class Parser(argparse.ArgumentParser):
    """argparse with one sentence for an error, and no guessing of shortened options."""

    def __init__(self, *args: Any, **named: Any) -> None:
        ours: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
        super().__init__(*args, **(ours | named))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"gallop: error: {one_line(message)} (`{self.prog} --help` shows examples)\n")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of a call. Raises SystemExit after --help, --version (0) or a mistake (2)."""
    parser, options = build_parser()
    return parser.parse_args(_bind_values(sys.argv[1:] if argv is None else argv, options))


def build_parser() -> tuple[Parser, set[str]]:
    """Return the parser, and every option it knows."""
    parser = Parser("gallop", description=DESCRIPTION, epilog=examples.GALLOP)
    parser.add_argument("--version", action="version", version=f"gallop {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    makers = (_train, _evaluate, _predict, _explain, _export, _convert, _bench, _doctor)
    added = [make(commands) for make in makers]
    for command in added:
        _common(command)
    add_data(commands)
    add_app(commands)
    return parser, {option for command in added for option in command._option_string_actions}


def _bind_values(argv: Sequence[str], options: set[str]) -> list[str]:
    """Two things argparse cannot do: class names that begin with ``-``, and several NAME=DIR after one ``--ood``."""
    bound: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*bound, word, *rest]
        if word in _TEXT_OPTIONS and rest and rest[0].split("=")[0] not in options:
            bound.append(f"{word}={rest.pop(0)}")
        elif word == "--ood" and rest and not rest[0].startswith("-"):
            bound.append(f"--ood={rest.pop(0)}")
            while rest and "=" in rest[0] and not rest[0].startswith("-"):
                bound.append(f"--ood={rest.pop(0)}")
        else:
            bound.append(word)
    return bound


def _common(parser: Parser) -> None:
    group = parser.add_argument_group("options of every command")
    group.add_argument("--device", default="auto", help="auto (a GPU when there is one), cpu or cuda")
    group.add_argument(
        "--backbone",
        help="mini (shipped, the default), an open_clip pair such as ViT-B-16/openai, ARCH/FILE or a folder; for a "
        "trained model: where its backbone's weights are now",
    )
    group.add_argument("--json", action="store_true", help="JSON, and nothing else, on standard output")


def _train(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "train",
        help="learn prompts from a few images a class",
        epilog=examples.TRAIN,
        description="Learn global and local prompts from a few images of each class.",
    )
    parser.add_argument(
        "data", metavar="DATA", help="folder of class folders, one that holds train/ and test/, or a .csv"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where the model goes: a new or empty folder")
    parser.add_argument("--shots", type=int, default=16, metavar="N", help="images drawn of each class (%(default)s)")
    parser.add_argument("--allow-fewer", action="store_true", help="take what there is where a class has fewer images")
    _method(parser)
    training = parser.add_argument_group("training; what is not given comes from the preset: mini's own; the paper's")
    training.add_argument(
        "--preset",
        choices=get_args(Preset),
        default="tower",
        help="tower: that of the backbone, which is default for mini, where it was chosen by measurement, and paper "
        "for every other (%(default)s)",
    )
    add_settings(training, train_preset("default"), {"paper": train_preset("paper")})
    training.add_argument(
        "--cache-precision",
        choices=("fp16", "fp32"),
        default="fp16",
        help="in which image features are kept; fp32 takes twice the room and rounds nothing (%(default)s)",
    )
    training.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="W",
        help="that share the work, on a GPU each or on a CPU (%(default)s)",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with a training of DIR that was cut off")
    existing.add_argument("--overwrite", action="store_true", help="replace the model in DIR; other files there stay")
    return parser


def _method(parser: Parser) -> None:
    method = parser.add_argument_group("the method")
    add_settings(method, MethodConfig())
    method.add_argument(
        "--local-prompts",
        type=values.count,
        metavar="N",
        help=f"instead of --topk: so many, with k = 5, 10, 15... ({MethodConfig().local_prompts})",
    )
    method.add_argument(
        "--regions",
        choices=REGION_KINDS,
        default="value",
        help=f"which features of its regions a ViT gives (%(default)s). {_rules()}. {REGION_ADVICE}",
    )


def _rules() -> str:
    return "; ".join(f"{kind}: {rule}" for kind, rule in REGION_RULES.items())


def _evaluate(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "evaluate",
        help="accuracy and OOD detection",
        epilog=examples.evaluate(),
        description="Measure accuracy on labelled images, and how well unknown things are told from them.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder of a trained model, or the word zero-shot")
    parser.add_argument(
        "data", metavar="DATA", help="folder of class folders, one that holds train/ and test/, or a .csv"
    )
    parser.add_argument(
        "--ood", action="append", default=[], metavar="NAME=DIR", help="images of unknown things, read recursively"
    )
    return parser


def _predict(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "predict",
        help="class names for images",
        epilog=examples.PREDICT,
        description="Name what is on images, and say which show something unknown.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files, or folders read recursively")
    _model_or_classes(parser)
    parser.add_argument("--csv", metavar="FILE", help="also write the answers as a table")
    return parser


def _explain(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "explain",
        help="which prompt and which regions decided",
        epilog=examples.EXPLAIN,
        description="Show each prompt's score for one image, and where each local prompt looked.",
    )
    parser.add_argument("image", metavar="IMAGE")
    _model_or_classes(parser)
    parser.add_argument("--out", required=True, metavar="FILE.png", help="the picture")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="the class shown; else the predicted one")
    parser.add_argument("--npy", metavar="FILE", help="also write the region maps (N, rows, columns)")
    return parser


def _export(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "export",
        help="a trained model as an ONNX file",
        epilog=examples.EXPORT,
        description="Write a trained model as one ONNX file, which needs neither gallop nor torch.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder of a trained model")
    parser.add_argument("--onnx", required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--photos", metavar="DIR", help="also check with the photos of a folder, read recursively")
    return parser


def _bench(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "bench",
        help="methods x data sets x shots x seeds",
        epilog=examples.BENCH,
        description="Compare methods on data sets over shots and seeds, and say which claims the figures support.",
    )
    parser.add_argument("spec", nargs="?", metavar="BENCHMARK", help="a shipped one by name, or a YAML file")
    parser.add_argument("data", nargs="?", metavar="DATA", help="folder that holds the data sets")
    parser.add_argument("--out", metavar="DIR", help="where records, tables and pictures go")
    parser.add_argument(
        "--time", type=values.duration, metavar="T", help="such as 90s, 30m or 2h: no run is begun after it"
    )
    parser.add_argument(
        "--part", type=values.part, metavar="I/N", help="every N-th run of each method, from the I-th on"
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything and count the runs; train nothing")
    parser.add_argument(
        "--rehearse", action="store_true", help="one step of every line on every set, and how long everything takes"
    )
    parser.add_argument("--list", action="store_true", help="the benchmarks that come with gallop")
    narrow = parser.add_argument_group("a part of the benchmark; tables are written from all records anyway")
    narrow.add_argument("--only", nargs="+", metavar="METHOD", help='headings, groups, or "group / variant"')
    narrow.add_argument("--sets", nargs="+", metavar="SET", help="data sets")
    narrow.add_argument("--shots", nargs="+", type=int, metavar="N", help="images drawn of each class")
    narrow.add_argument("--seeds", nargs="+", type=int, metavar="N", help="of draw, views and training")
    return parser


def _convert(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "convert",
        help="a checkpoint of the paper's own code as a model of gallop",
        epilog=examples.CONVERT,
        description="Turn a checkpoint of the paper's own implementation into a folder that gallop loads, safely.",
    )
    parser.add_argument("official", metavar="OFFICIAL", help="the .ckpt or .pt file that the official code wrote")
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument("--classes", metavar='"A,B"', help="class names")
    names.add_argument("--classes-file", metavar="FILE", help="class names, one a line")
    parser.add_argument(
        "--names-as-they-are",
        action="store_true",
        help="no underscores for the spaces in names, whatever the file was trained on",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where the model goes: a new or empty folder")
    parser.add_argument("--topk", type=values.topk, metavar="K,K,...", help="one k a local prompt; else the file's")
    parser.add_argument("--dropout", type=float, metavar="P", help="of global prompts; else the file's")
    return parser


def _doctor(commands: _Subparsers[Parser]) -> Parser:
    parser = commands.add_parser(
        "doctor",
        help="versions, devices and towers found",
        epilog=examples.DOCTOR,
        description="Show versions, devices, the towers on this machine and the cache: what to put into a bug report. "
        "With --backbone, load one and measure what a first pass through it costs.",
    )
    parser.add_argument(
        "--towers",
        nargs="+",
        default=[],
        metavar="PATH",
        help="folders of towers, or files as ARCH=FILE, beside those that ship and those in the caches of open_clip "
        "and Hugging Face",
    )
    return parser


def _model_or_classes(parser: Parser) -> None:
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--model", metavar="DIR", help="folder of a trained model")
    group.add_argument("--classes", metavar='"A,B"', help="class names, for an answer without training")
