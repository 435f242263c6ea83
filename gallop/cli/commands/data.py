"""``gallop data``: whether photos are fit to learn from, and whether more would help."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gallop.backbones import Backbone, load_backbone
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import DEFAULT_BACKBONE, has_test, images_with_warnings, labelled_images
from gallop.config import method_preset
from gallop.data import LabelledPhotos, draw_shots
from gallop.data.labelled import in_words
from gallop.errors import CommandError
from gallop.evaluation.curve import Curve, curve_steps
from gallop.evaluation.health import check_data
from gallop.features.encoding import ImageFeatures, encode_centres, open_cache
from gallop.model.calibration import photos_alike
from gallop.wording import counted, listed

MOST_SHOTS = 64
"""Photos drawn from each class for a curve."""


def run(options: Namespace, console: Console) -> int:
    """Report problems of photos, or with ``--curve`` draw a curve."""
    if not Path(options.name).exists():
        raise CommandError(
            f"The folder {options.name} does not exist. Pass a folder that contains one folder of photos for each "
            "class."
        )
    return (_show_curve if options.curve else _check)(options, console)


def _check(options: Namespace, console: Console) -> int:
    """Return the exit status: 0 where there is nothing to look at, else 2."""
    console.progress(f"reading {options.name}")
    sets = [labelled_images(options.name, split=split) for split in ("train", "test")[: 1 + has_test(options.name)]]
    backbone = load_backbone(options.backbone or DEFAULT_BACKBONE, device=options.device)
    train, *test = [(photos, _encoded(photos, backbone, console)) for photos in sets]
    report = check_data(*train, backbone, *test)
    result = {
        "folder": options.name,
        "backbone": backbone.name,
        "classes": report.counts,
        "copies": [[str(one), str(other)] for one, other in report.within],
        "leaks": [[str(one), str(other)] for one, other in report.across],
        "doubted": [{"image": str(photo), "label": was, "likely": likely} for photo, was, likely in report.doubted],
        "skipped": [{"image": in_words(place), "error": reason} for place, reason in report.skipped],
        "near": report.near,
        "alike": report.alike,
    }
    console.result(result, lambda: _table(result, report.words))
    return 2 if report.words else 0


def _encoded(photos: LabelledPhotos, backbone: Backbone, console: Console) -> ImageFeatures:
    """Return features of centre crops, and cache them, so that a training does not encode the photos again."""
    parts = list[ImageFeatures]()
    for some in encode_centres(backbone, photos.photos, open_cache(None), photos.hashes):
        parts.append(some)
        console.progress("encoding photos", sum(map(len, parts)), len(photos))
    return ImageFeatures.cat(parts)


def _table(result: dict[str, Any], words: str) -> list[str]:
    lines = columns([["class", "photos"], *([name, str(count)] for name, count in result["classes"].items())])
    single = [name for name, count in result["classes"].items() if count == 1]
    if single:
        lines.append(
            f"{listed(single)}: a single photo is never held out, so its label is not checked, and no threshold is "
            "computed from it"
        )
    return [
        *lines,
        *filter(None, [photos_alike(result["alike"])]),
        *(f"{other} is {one}, or nearly" for one, other in [*result["copies"], *result["leaks"]]),
        *("{image} is labelled {label} and looks like {likely}".format(**each) for each in result["doubted"]),
        *("{image} cannot be read: {error}".format(**each) for each in result["skipped"]),
        f"To look at: {words}." if words else "Nothing to look at.",
    ]


def _show_curve(options: Namespace, console: Console) -> int:
    """Write accuracy by the number of photos, and the forecast for twice as many. Test photos are not read."""
    backbone = load_backbone(options.backbone or DEFAULT_BACKBONE, device=options.device)
    images = images_with_warnings(options.name, console, split="train")
    shots = replace(draw_shots(images, MOST_SHOTS, seed=0, allow_fewer=True), skipped=())
    steps = curve_steps(backbone, shots, method_preset("backbone", backbone.preset), cache=open_cache(None))
    curve: Curve = console.last_of(steps)
    result = {
        "photos": len(curve.labels),
        "copies": curve.copies,
        "points": curve.to_frame().to_dict("records"),
        "twice": asdict(curve.forecast()),
        "classes": {name: asdict(each) for name, each in curve.by_class().items()},
        "words": curve.words,
    }
    console.result(result, lambda: _curve_table(curve))
    return 0


def _curve_table(curve: Curve) -> list[str]:
    twice = curve.forecast()
    points = [(point.shots, point.accuracy, point.interval, "") for point in curve.points]
    rows = [
        [f"{shots:.3g}", percentage(accuracy), " to ".join(map(percentage, interval)), remark]
        for shots, accuracy, interval, remark in [
            *points,
            (twice.shots, twice.accuracy, twice.accuracy_interval, "forecast"),
        ]
    ]
    copies = [f"{counted(curve.copies, 'photo')} left out as copies."] if curve.copies else []
    return [*columns([["photos of each class", "right", "95% interval", ""], *rows]), curve.words, *copies]
