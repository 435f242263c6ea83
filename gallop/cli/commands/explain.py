"""``gallop explain``: one photo's scores by prompt, and where each local prompt looked."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

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
    check_output(out, "--out", image, endings=[".png"])
    photo = load_image(options.image)
    classifier = model_or_classes(options)
    console.progress(f"explaining {image}")
    explanation = classifier.explain(photo)
    shown = explanation.label if options.class_name is None else clean_name(options.class_name)
    if shown not in explanation.class_names:
        raise CommandError(f"The model has no class {shown!r}. Its classes are {listed(explanation.class_names)}.")
    write_file(out, explanation_png(explanation, shown))
    result = {"image": options.image, **explained_row(explanation, shown)}
    console.result(result, lambda: _table(result, explanation, out))
    return 0


def _table(result: dict[str, Any], explanation: Explanation, out: Path) -> list[str]:
    shown, probabilities = result["class"], explanation.probabilities
    rows = [
        ["prompt", "score", "where it looked"],
        *([f"global {i}", f"{score:.3f}", "the entire image"] for i, score in enumerate(result["global_scores"], 1)),
        *(
            [f"local {i + 1}, k = {explanation.topk[i]}", f"{score:.3f}", explanation.describe(shown, i)]
            for i, score in enumerate(result["local_scores"])
        ),
        *([HEADS[name].title, f"{score:.3f}", "every region"] for name, score in result["branch_scores"].items()),
    ]
    return [
        f"{result['image']}: {result['label']} ({percentage(probabilities[result['label']])})",
        f"scores for {shown!r} ({percentage(probabilities[shown])}); the picture is in {out}",
        "",
        *columns(rows),
    ]
