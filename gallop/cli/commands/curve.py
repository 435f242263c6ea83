"""``gallop curve``: whether more photos would help."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path

from gallop import draw_shots, load_backbone
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import DEFAULT_BACKBONE, check_output, images_with_warnings
from gallop.config import method_preset, train_preset
from gallop.evaluation.curve import Curve, curve_steps
from gallop.features.encoding import open_cache
from gallop.wording import counted


def run(options: Namespace, console: Console) -> int:
    """Compute the curve, and write its points and the forecast."""
    picture = None if options.plot is None else Path(options.plot)
    if picture is not None:
        check_output(picture, "--plot", endings=[".png", ".svg", ".pdf"])
    backbone = load_backbone(options.backbone or DEFAULT_BACKBONE, device=options.device)
    images = images_with_warnings(options.data, console, split="train")
    shots = replace(draw_shots(images, options.shots, seed=options.seed, allow_fewer=True), skipped=())
    method = method_preset("backbone", backbone.preset)
    photos, classes = len(shots), len(shots.class_names)
    config = train_preset("backbone", backbone.preset, photos=photos, classes=classes, seed=options.seed)
    steps = curve_steps(backbone, shots, method, config, cache=open_cache(None), trained=options.trained)
    curve: Curve = console.last_of(steps)
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        curve.plot().savefig(picture)
    result = {
        "photos": len(curve.labels),
        "copies": curve.copies,
        "points": curve.to_frame().to_dict("records"),
        "twice": asdict(curve.forecast()),
        "classes": {name: asdict(each) for name, each in curve.by_class().items()},
        "words": curve.words,
    }
    console.result(result, lambda: _table(curve))
    return 0


def _table(curve: Curve) -> list[str]:
    twice = curve.forecast()
    rows = [
        ["photos of each class", "right", "95% interval", ""],
        *(_row(p.shots, p.accuracy, p.interval, "prompts trained" if p.trained else "") for p in curve.points),
        _row(twice.shots, twice.accuracy, twice.accuracy_interval, "forecast"),
    ]
    copies = [f"{counted(curve.copies, 'photo')} left out as copies."] if curve.copies else []
    return [*columns(rows), curve.words, *copies]


def _row(shots: float, accuracy: float, interval: tuple[float, float], remark: str) -> list[str]:
    return [f"{shots:.3g}", percentage(accuracy), " to ".join(map(percentage, interval)), remark]
