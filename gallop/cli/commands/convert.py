"""``gallop convert``: a checkpoint of the paper's own code becomes a folder of ours."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from gallop import load_backbone, parse_names
from gallop.checkpoints.official import OfficialCheckpoint, convert, read_official, save_converted
from gallop.cli.console import Console
from gallop.errors import CommandError
from gallop.names.class_names import clean_names
from gallop.runtime.reading import read_text

LARGEST_LIST = 10 * 2**20
"""Bytes of a file of class names."""


def run(options: Namespace, console: Console) -> int:
    """Read, check, write, and say what was found."""
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise CommandError(f"--out {out} is a file; give a folder.")
    if out.exists() and any(out.iterdir()):
        raise CommandError(f"--out {out} is not empty; choose another folder.")
    names = parse_names(options.classes) if options.classes is not None else _names(Path(options.classes_file))
    official = read_official(options.official)
    if not options.names_as_they_are:
        names = _as_trained(names, official, console)
    named = options.backbone or official.backbone
    if named is None:
        raise CommandError(
            f"{official.path} does not say which CLIP it was trained with; name it, such as --backbone ViT-B-16/openai."
        )
    if official.backbone is not None and _architecture(named) != _architecture(official.backbone):
        console.warn(
            f"The file says that it was trained with {official.backbone}; with {named} its answers may be wrong."
        )
    console.progress(f"loading {named}")
    backbone = load_backbone(named, device=options.device)
    model = convert(official, backbone, names, topk=options.topk, dropout=options.dropout)
    if options.topk is None and official.topk is None:
        console.warn(f"The file does not say its scales; the paper's are taken: k = {list(model.config.topk)}.")
    save_converted(model, out)
    result = {
        "out": str(out),
        "backbone": backbone.name,
        "class_names": list(model.class_names),
        "global_prompts": model.config.global_prompts,
        "topk": list(model.config.topk),
        "dropout": model.config.dropout,
    }
    console.result(result, lambda: _table(result, official))
    return 0


def _architecture(backbone: str) -> str:
    """Of an open_clip pair, without the activation, which the weights decide."""
    return backbone.partition("/")[0].removesuffix("-quickgelu")


def _as_trained(names: tuple[str, ...], official: OfficialCheckpoint, console: Console) -> tuple[str, ...]:
    """With underscores for spaces, where the official code had them: they are other words to the text encoder."""
    found = tuple(name.replace(" ", "_") for name in names) if official.underscored else names
    changed = next((name for name, given in zip(found, names, strict=True) if name != given), None)
    if changed is not None:
        console.warn(
            f"{official.path} was trained on names with underscores, so the names get them, as in {changed}; "
            "--names-as-they-are leaves them as they were given."
        )
    return found


def _names(path: Path) -> tuple[str, ...]:
    """Class names from a file, one a line; a comma belongs to its name."""
    try:
        text = read_text(path, LARGEST_LIST)
    except OSError as error:
        raise CommandError(
            f"--classes-file {path} cannot be read ({error.strerror}); give a text with one class name a line."
        ) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"--classes-file {path} is no text in UTF-8.") from error
    return clean_names(line for line in text.split("\n") if line.strip())


def _table(result: dict[str, Any], official: OfficialCheckpoint) -> list[str]:
    scales = ", ".join(map(str, result["topk"]))
    return [
        f"{official.path} is now the folder {result['out']}, with {len(result['class_names'])} classes on "
        f"{result['backbone']}.",
        f"{result['global_prompts']} global prompts, {len(result['topk'])} local ones"
        + (f" (k = {scales})." if scales else "."),
    ]
