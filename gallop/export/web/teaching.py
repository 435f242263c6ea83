"""What a page on which classes are taught reads: the numbers of the head's closed form, and what a checkpoint needs."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np

from gallop.checkpoints.settings import Checkpoint
from gallop.config import HEADS, train_preset
from gallop.errors import PageError
from gallop.estimator import GalLoPClassifier
from gallop.features.near_duplicates import ALIKE_GLOBAL, ALIKE_PLACES, tells_copies
from gallop.model.branches.kinds import HALVED, KINDS, NAMES, PENALTY
from gallop.model.branches.mix import ENOUGH_SHOTS, SPREAD
from gallop.training.learn import RELIABLE_SHOTS

_HEAD = "ridge"


def teach_facts(classifier: GalLoPClassifier) -> dict[str, Any]:
    """Return what the scripts of the page compute and write with.

    What is taught there is what ``GalLoPClassifier(epochs=0, head="ridge").fit`` learns: prompts stay as they are.

    Raises:
        PageError: the classifier has templates or a second look at photos.
    """
    model = classifier.model_
    if model.templates is not None or len(model.sight.times) > 1:
        raise PageError(
            "A page that teaches looks at a photo once and has no templates, as this model has. Leave the model out."
        )
    training, usual = train_preset("default", epochs=0), KINDS[_HEAD].usual
    taught = Checkpoint.of(model.with_config(replace(model.config, head=_HEAD)), training, classifier.calibration_)
    state = np.random.default_rng(training.seed).bit_generator.state["state"]
    context = model.prompts.global_contexts[0].detach().cpu().float().numpy()
    return {
        "head": HEADS[_HEAD].title,
        "ridge": {"penalty": PENALTY, "names": NAMES, "halved": HALVED},
        "mix": {"weight": usual.weight, "temperature": usual.temperature, "spread": SPREAD, "enough": ENOUGH_SHOTS},
        "folds": training.calibration_folds,
        "seed": training.seed,
        "random": [str(state["state"]), str(state["inc"])],
        "reliable": RELIABLE_SHOTS,
        "tpr": classifier.calibration_.tpr,
        "alike": {"global": ALIKE_GLOBAL, "places": ALIKE_PLACES} if tells_copies(model.backbone) else None,
        "checkpoint": taught.record(),
        "context": base64.b64encode(np.ascontiguousarray(context, dtype="<f4").tobytes()).decode(),
        "textWidth": context.shape[-1],
        "identities": {name: len(value) for name, value in model.prompts.state_dict().items() if value.ndim == 2},
    }
