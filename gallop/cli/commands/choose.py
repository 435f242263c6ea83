"""``gallop choose``: search the settings of a training on held-out folds of the user's photos."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gallop import draw_shots, load_backbone
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import DEFAULT_BACKBONE, images_with_warnings
from gallop.config import TrainConfig, method_preset, train_preset
from gallop.features.encoding import open_cache
from gallop.training.choose import (
    SearchEvent,
    Tried,
    chosen_of,
    keep,
    kept,
    kept_at,
    search_settings,
    start_of_search,
)


def run(options: Namespace, console: Console) -> int:
    """Search within the time, and write what was tried and the command to train with the best."""
    backbone = load_backbone(options.backbone or DEFAULT_BACKBONE, device=options.device)
    images = images_with_warnings(options.data, console, split="train")
    drawn = draw_shots(images, options.shots, seed=options.seed, allow_fewer=options.allow_fewer)
    shots = replace(drawn, skipped=())
    method = method_preset("backbone", backbone.preset)
    photos, classes = len(shots), len(shots.class_names)
    usual = train_preset("backbone", backbone.preset, photos=photos, classes=classes, seed=options.seed)
    config = start_of_search(usual)
    place, tried = kept_at(backbone, shots, method, config), list[Tried]()
    known = kept(place)
    for event in search_settings(
        backbone, shots, method, config, seconds=options.minutes, cache=open_cache(None), known=known
    ):
        console.progress(event.stage, event.done, event.total, event.note)
        if isinstance(event, SearchEvent) and len(event.tried) > len(tried):
            tried = list(event.tried)
            if len(tried) > len(known):
                keep(place, tried)
    result = _result(options, config, tried) | {"backbone": backbone.name, "photos": len(tried[0].right)}
    console.result(result, lambda: _table(result, tried))
    return 0


def _result(options: Namespace, config: TrainConfig, tried: Sequence[Tried]) -> dict[str, Any]:
    best = chosen_of(tried)
    gain, error = best.gain_over(tried[0])
    words = [
        *("gallop", "train", options.data, "--out", "model", "--shots", str(options.shots)),
        *(["--allow-fewer"] if options.allow_fewer else []),
        *(["--seed", str(options.seed)] if options.seed else []),
        *(["--backbone", options.backbone] if options.backbone else []),
        *("--lr", f"{best.lr:g}", "--epochs", str(best.epochs), "--views", str(config.views)),
    ]
    shown = ("lr", "epochs", "accuracy", "loss", "temperature", "seconds")
    return {
        "folds": config.calibration_folds,
        "tried": [{name: getattr(each, name) for name in shown} for each in tried],
        "chosen": {"lr": best.lr, "epochs": best.epochs, "views": config.views},
        "gain": gain,
        "gain_error": error,
        "command": shlex.join(words),
    }


def _table(result: dict[str, Any], tried: Sequence[Tried]) -> list[str]:
    best, first = chosen_of(tried), tried[0]
    rows = [["rate", "rounds", "right", "loss", "temperature", "seconds", ""]]
    for each in tried:
        mark = "chosen" if each is best else "the usual one" if each is first else ""
        figures = [f"{each.loss:.3f}", f"{each.temperature:.2f}", f"{each.seconds:.0f}"]
        rows.append([f"{each.lr:g}", str(each.epochs), percentage(each.accuracy), *figures, mark])
    gain = f"{100 * result['gain']:+.1f} points (standard error {100 * result['gain_error']:.1f})"
    kept = "No setting is better than the usual one by more than two standard errors, so it stays."
    return [
        *columns(rows),
        f"Of {result['photos']} photos held out in {result['folds']} folds. "
        + (kept if best is first else f"The chosen setting is better than the usual one by {gain}."),
        result["command"],
    ]
