"""The answers of ``app.photos.sample_answers``, worked out; ``python -m tests.app.worked_out`` writes them again."""

from __future__ import annotations

import json
from typing import Any

from app.photos.sample_answers import ANSWERS, MADE_HERE, SAMPLES, available_samples
from gallop import GalLoPClassifier, load_image
from gallop.maps.explainer.payload import explainer_data


def worked_out() -> list[dict[str, Any]]:
    """The shipped backbone's answers to every sample, as in the file."""
    classifier, answers = GalLoPClassifier("mini", device="cpu", cache=False), []
    for sample in SAMPLES:
        photo = load_image(available_samples()[sample.name], name=sample.name)
        explanation = classifier.zero_shot(sample.names).explain(photo)
        box = explanation.crop
        answers.append(
            {
                "name": sample.name,
                "sha256": photo.sha256,
                "topk": explanation.topk,
                "grid": explanation.grid,
                "crop": (box.left, box.top, box.right, box.bottom),
                "label": explanation.label,
                "share": explanation.probabilities[explanation.label],
                "cosines": {key: held for key, held in explainer_data(explanation).items() if key not in MADE_HERE},
            }
        )
    return answers


if __name__ == "__main__":
    ANSWERS.write_text(json.dumps(worked_out(), indent=1) + "\n")
