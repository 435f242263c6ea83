"""A model card in Markdown: what a classifier knows, how it was taught, how it was measured, what it cannot do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from gallop import __version__
from gallop.backbones import Damping
from gallop.backbones.weights import known_elsewhere, licence_by_name, repository_of
from gallop.checkpoints.folder import checkpoint_bytes
from gallop.checkpoints.hub import CARD_FILE, HUB, LIBRARY, HubAddress
from gallop.checkpoints.settings_file import Checkpoint
from gallop.config import HEADS, TrainConfig
from gallop.documents.rendering import render
from gallop.errors import warn_caller
from gallop.evaluation.diversity import diversity_of
from gallop.evaluation.intervals import Proportion
from gallop.model.branches.branch import Branch
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel
from gallop.setting import settings_of
from gallop.wording import in_percent

_ID = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?")  # of a data set on the Hub; other names are only in sentences
_TASK = "image-classification"
# Settings of the method that the card states in sentences.
_ELSEWHERE = ("global_prompts", "topk", "local_projection", "global_projection", "head", "detail", "detail_in")


class Described(Protocol):
    """The facts of a fitted classifier that are in its card."""

    model_: PromptModel
    calibration_: Calibration
    training_: TrainConfig | None
    keep_shots: bool


def model_card(
    classifier: Described, measured: Sequence[str] = (), learned_from: str = "", place: str = "model"
) -> str:
    """Return the card of a fitted classifier.

    Args:
        measured: sentences about how good it is; none are made up.
        learned_from: a sentence about its photos.
        place: what ``load`` takes.
    """
    model = classifier.model_
    return render(
        "documents/model_card.md.j2",
        names=model.class_names,
        model=model,
        backbone=model.backbone,
        m=model.config.global_prompts,
        n=model.config.local_prompts,
        training=[  # a phrase for every setting without a sentence in the card
            about.phrase(getattr(config, name))
            for config in (classifier.training_, model.config)
            if classifier.training_ is not None and config is not None
            for name, about in settings_of(config).items()
            if name not in _ELSEWHERE
        ],
        calibration=classifier.calibration_,
        branches=[_branch(classifier, branch) for branch in model.branches],
        damping=None if model.damping == Damping() else model.damping,
        measured=measured,
        alike=diversity_of(model.cached_text_features()).words,
        learned_from=learned_from,
        licence=licence_by_name(model.backbone.name).cited,
        named=model.backbone.name if repository_of(model.backbone.name) else "",
        place=place,
        version=__version__,
    )


def accuracy_in_words(tested: Proportion, photos: str) -> str:
    """Return a sentence for a card, such as "Accuracy on test photos: 15 of 16, 93.8% (95% interval ...)"."""
    low, high = tested.interval
    return (
        f"Accuracy on {photos}: {tested.right} of {tested.of}, {in_percent(tested.value, 1)} (95 % interval "
        f"{in_percent(low, 1)} to {in_percent(high, 1)})"
    )


def _branch(classifier: Described, branch: Branch) -> dict[str, Any]:
    """The facts of a branch."""
    classes = zip(classifier.model_.class_names, branch.sums.known, strict=True)
    return {
        "title": HEADS[branch.kind].title,
        "what": HEADS[branch.kind].words,
        "shots": int(branch.sums.counts.sum()),
        "weight": classifier.model_.branch_weights[branch.kind],
        "without": [name for name, shots in classes if not shots],
        "by_text": branch.how.extra is None,
        "single": classifier.keep_shots and branch.shots is not None,
    }


def hub_card(
    classifier: Described,
    address: HubAddress,
    *,
    tested: Proportion | None = None,
    data_set: str = "",
    licence: str | None = None,
) -> str:
    """Return the card of a model on the Hub, with what the Hub reads of it in front.

    Args:
        tested: how many of the test photos were right.
        data_set: what its photos are called.
        licence: of what was learned, as the Hub writes them.
    """
    from huggingface_hub import EvalResult, ModelCardData

    photos, results, measured = data_set or "test photos", [], []
    if tested is not None:
        result = EvalResult(
            task_type=_TASK,
            dataset_type=data_set or "own",
            dataset_name=photos,
            metric_type="accuracy",
            metric_value=tested.value,
            metric_name="Accuracy (top-1)",
        )
        results, measured = [result], [accuracy_in_words(tested, photos)]
    name = classifier.model_.backbone.name
    facts = ModelCardData(
        library_name=LIBRARY,
        pipeline_tag=_TASK,
        license=licence,
        datasets=[data_set] if _ID.fullmatch(data_set) else None,
        base_model=repository_of(name) or None,
        metrics=["accuracy"] if tested else None,
        tags=["gallop", "clip", "few-shot", "out-of-distribution-detection"],
        backbone=name,
        model_name=address.repository.partition("/")[2] if results else None,
        eval_results=results or None,
    )
    learned_from = f"Trained on photos of {data_set}" if data_set else ""
    return (
        f"---\n{facts.to_yaml()}\n---\n\n{model_card(classifier, measured, learned_from, f'{HUB}{address.repository}')}"
    )


def hub_files(classifier: Described, checkpoint: Checkpoint, address: HubAddress, **facts: Any) -> dict[str, bytes]:
    """Return the files of a model on the Hub by their names: its checkpoint, and its card with the ``facts`` of
    ``hub_card``. Warns where others cannot load its backbone.
    """
    name = classifier.model_.backbone.name
    if not known_elsewhere(name):
        warn_caller(
            f"The backbone {name!r} is only known on this machine, and only its name is uploaded with the model. "
            "Others need the same weights and have to pass them: GalLoPClassifier.load(..., backbone=...)."
        )
    card = hub_card(classifier, address, **facts)
    return checkpoint_bytes(checkpoint, classifier.model_) | {CARD_FILE: card.encode()}
