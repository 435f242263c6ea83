"""How fast GalLoP is here: ``python -m benchmarks`` runs everything, ``python -m benchmarks NAME`` one measurement.

python -m benchmarks                                              everything, as text
python -m benchmarks --write                                      and into benchmarks/README.md, with the plot
python -m benchmarks text --backbone ViT-B-16 --classes 100 --json   one row
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import json
from typing import Any

from benchmarks import images, report, text, training

MEASUREMENTS = {
    "text": lambda o: text.run(o.backbone, o.classes, prompts=o.prompts, naive=not o.no_naive),
    "vision": lambda o: images.vision(o.backbone),
    "layout": lambda o: images.layout(),
    "pipeline": lambda o: images.pipeline(),
    "cache": lambda o: images.cache(),
    "slider": lambda o: images.slider(),
    "step": lambda o: training.step(o.precision),
    "after": lambda o: training.after_encoders(o.backbone, o.classes),
    "large": lambda o: training.large(),
    "live": lambda o: training.live(),
    "growth": lambda o: training.growth(),
}


def everything() -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for backbone in ("mini", "ViT-B-16"):
        for classes in (10, 100, 1000):
            print(f"text {backbone} {classes} ...", flush=True)
            rows[f"text {backbone} {classes}"] = text.run(backbone, classes, repeats=3, naive=classes < 1000)
    for backbone in ("mini", "ViT-B-16"):
        rows[f"vision {backbone}"] = images.vision(backbone)
        rows[f"after the backbone {backbone}"] = training.after_encoders(backbone)
    for name, measure in (
        ("layout", images.layout),
        ("pipeline", images.pipeline),
        ("cache", images.cache),
        ("slider", images.slider),
        ("step", training.step),
        ("step bf16", lambda: training.step("bf16")),
        ("live", training.live),
        ("growth", training.growth),
        ("large", training.large),
    ):
        print(f"{name} ...", flush=True)
        rows[name] = measure()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=list(MEASUREMENTS))
    parser.add_argument("--backbone", default="ViT-B-16", help="mini, or an architecture of open_clip")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--prompts", type=int, default=text.PROMPTS)
    parser.add_argument("--no-naive", action="store_true", help="only our time, memory and fraction of the floor")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of the backbone, for step")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table and the plot into benchmarks/")
    options = parser.parse_args()
    rows = MEASUREMENTS[options.name](options) if options.name else everything()
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print(report.table(rows) if not options.name else json.dumps(rows, indent=1))
    if options.write and not options.name:
        report.write(rows)


if __name__ == "__main__":
    main()
