"""A model card in Markdown: what a classifier knows, how it was taught, how it was measured, what it cannot do."""

from __future__ import annotations

from collections.abc import Sequence

from gallop import __version__
from gallop.documents.rendering import render
from gallop.estimator import GalLoPClassifier


def model_card(classifier: GalLoPClassifier, measured: Sequence[str] = (), learned_from: str = "") -> str:
    """Return the card of a fitted classifier.

    Args:
        measured: sentences about how good it is; none are made up.
        learned_from: a sentence about its photos.
    """
    model = classifier.model_
    global_prompts, local_prompts = model.prompts.sizes
    return render(
        "export/model_card.md.j2",
        names=model.class_names,
        model=model,
        backbone=model.backbone,
        m=global_prompts,
        n=local_prompts,
        training=classifier.training_,
        calibration=classifier.calibration_,
        measured=measured,
        learned_from=learned_from,
        version=__version__,
    )
