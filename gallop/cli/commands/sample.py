"""``gallop sample``: write the sample project into a folder."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from pathlib import Path

from gallop.cli.console import Console
from gallop.sample import SAMPLE_SHOTS, sample_photos, write_sample


def run(options: Namespace, console: Console) -> int:
    """Write it, and say what can be done with it."""
    out = Path(options.out)
    write_sample(out)
    photos = sample_photos()
    parts = Counter(photo.part for photo in photos)
    classes = sorted({photo.class_name for photo in photos if photo.class_name is not None})
    console.result(
        {"out": str(out), "classes": classes, **parts, "model": str(out / "model")},
        lambda: [
            f"{out} contains photos of {', '.join(classes)} ({parts['train']} to train on, {parts['test']} to test "
            f"on), {parts['other']} photos of other things, and a model.",
            f"Next: gallop train {out} --out my-model --shots {SAMPLE_SHOTS}",
        ],
    )
    return 0
