"""``gallop explain``: one photo's scores by prompt, and where each local prompt looked."""

from __future__ import annotations

import io
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from gallop import Explanation, load_image
from gallop.cli.console import Console, columns, percentage
from gallop.cli.inputs import check_output, model_or_classes
from gallop.config import HEADS
from gallop.errors import CommandError
from gallop.maps.plots import explanation_png
from gallop.names.class_names import clean_name
from gallop.predictions.rows import explained_row
from gallop.runtime.writing import write_file
from gallop.wording import listed


def run(options: Namespace, console: Console) -> int:
    """Explain one photo, for one class, as a picture and as numbers."""
    image, out = Path(options.image), Path(options.out)
    if out.suffix.lower() != ".png":
        raise CommandError(f"--out {out} must end in .png; only PNG pictures are written.")
    check_output(out, "--out", image)
    if options.npy is not None:
        check_output(Path(options.npy), "--npy", image, out)
    photo = load_image(options.image)
    classifier = model_or_classes(options)
    console.progress(f"explaining {image}")
    explanation = classifier.explain(photo)
    shown = explanation.label if options.class_name is None else _known(explanation, options.class_name)
    if options.npy is not None:
        write_file(Path(options.npy), _npy(explanation, shown))
    write_file(out, explanation_png(explanation, shown))
    result = {"image": options.image, **explained_row(explanation, shown)}
    console.result(result, lambda: _table(result, explanation, out))
    return 0


def _known(explanation: Explanation, asked: str) -> str:
    name = clean_name(asked)
    if name not in explanation.class_names:
        raise CommandError(f"There is no class {name!r} here; the classes are {listed(explanation.class_names)}.")
    return name


def _npy(explanation: Explanation, shown: str) -> bytes:
    maps = [explanation.region_scores(shown, prompt) for prompt in range(len(explanation.topk))]
    content = io.BytesIO()
    np.save(content, np.stack(maps) if maps else np.zeros((0, *explanation.grid), dtype=np.float32))
    return content.getvalue()


def _table(result: dict[str, Any], explanation: Explanation, out: Path) -> list[str]:
    shown, probabilities = result["class"], explanation.probabilities
    rows = [["prompt", "score", "where it looked"]]
    rows += [[f"global {i}", f"{score:.3f}", "the whole image"] for i, score in enumerate(result["global_scores"], 1)]
    rows += [
        [f"local {i + 1}, k = {explanation.topk[i]}", f"{score:.3f}", explanation.describe(shown, i)]
        for i, score in enumerate(result["local_scores"])
    ]
    rows += [[HEADS[name].title, f"{score:.3f}", "every region"] for name, score in result["branch_scores"].items()]
    return [
        f"{result['image']}: {result['label']} ({percentage(probabilities[result['label']])})",
        f"scores for {shown!r} ({percentage(probabilities[shown])}); the picture is {out}",
        "",
        *columns(rows),
    ]
