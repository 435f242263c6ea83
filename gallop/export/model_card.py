"""A model card in Markdown: what a classifier knows, how it was taught, how it was measured, what it cannot do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gallop import __version__
from gallop.backbones import Damping
from gallop.config import MethodConfig, TrainConfig
from gallop.documents.rendering import render
from gallop.estimator import GalLoPClassifier
from gallop.setting import settings_of

_TOLD_APART = ("global_prompts", "topk", "local_projection", "head")
"""Settings of the method that have a line of their own."""
_HEADS = {
    "discriminant": "a linear discriminant",
    "ridge": "ridge regression",
    "logistic": "logistic regression",
}


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
        training=_phrases(classifier.training_, model.config) if classifier.training_ else [],
        calibration=classifier.calibration_,
        head=_head(classifier),
        damping=None if model.backbone.damping == Damping() else model.backbone.damping,
        measured=measured,
        learned_from=learned_from,
        version=__version__,
    )


def _head(classifier: GalLoPClassifier) -> dict[str, Any]:
    """What there is to say of a third branch; nothing where there is none."""
    model = classifier.model_
    if model.head is None:
        return {}
    known = model.head.sums.known.tolist()
    return {
        "what": _HEADS[model.head.kind],
        "shots": int(model.head.sums.counts.sum()),
        "weight": model.head.mix.weight,
        "by_text": [name for name, shots in zip(model.class_names, known, strict=True) if not shots],
        "single": classifier.keep_shots and model.head.shots is not None,
    }


def _phrases(training: TrainConfig, method: MethodConfig) -> list[str]:
    """Every setting, as a card says it."""
    return [
        about.phrase(getattr(config, name))
        for config in (training, method)
        for name, about in settings_of(config).items()
        if name not in _TOLD_APART
    ]
