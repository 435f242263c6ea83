"""A model card in Markdown: what a classifier knows, how it was taught, how it was measured, what it cannot do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gallop import __version__
from gallop.estimator import GalLoPClassifier

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


_MIND = """\
- It knows its classes only. Probabilities compare them with each other, and add up to one for any photo.
- It has learned from few photos: what these had in common, such as the background, may be what it goes by. Look at
  its maps.
- It is not made for decisions about people."""

_USE = """\
```python
from gallop import GalLoPClassifier

classifier = GalLoPClassifier.load("model")  # the folder that this card lies in
classifier.predict("photo.jpg")
```

```
gallop predict photo.jpg --model model
```"""


def model_card(classifier: GalLoPClassifier, measured: Sequence[str] = (), learned_from: str = "") -> str:
    """The card of a fitted classifier.

    Args:
        measured: sentences about how good it is; none are made up.
        learned_from: a sentence about its photos.
    """
    names, calibration = classifier.model_.class_names, classifier.calibration_
    good = [f"- {plain_markdown(sentence)}" for sentence in measured] or [
        "- It was not measured on photos kept for testing."
    ]
    sections = {
        "How it was taught": [*_teaching(classifier, learned_from), *_method(classifier)],
        "How good it is": [*good, f"- None of these: {_threshold(calibration.threshold, calibration.note)}"],
        "What to mind": [_MIND],
        "How to use it": [_USE],
    }
    body = "\n\n".join("\n".join([f"## {title}", "", *lines]) for title, lines in sections.items())
    return (
        f"# A GalLoP classifier of {len(names)} class{'es' * (len(names) != 1)}\n\n"
        f"{', '.join(map(plain_markdown, names))}.\n\n"
        "It adapts a frozen vision-language model with learned prompts (Lafon et al., ECCV 2024, "
        '[arXiv 2407.01400](https://arxiv.org/abs/2407.01400)) and says "none of these" to the unknown.\n\n'
        f"{body}\n\nWritten by gallop {__version__}.\n"
    )


def plain_markdown(text: str) -> str:
    """Text inside Markdown: shown as it is, nothing of it is a command."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def _teaching(classifier: GalLoPClassifier, learned_from: str) -> list[str]:
    training = classifier.training_
    if training is None:
        templates = classifier.model_.templates or ()
        return ["- Not at all: zero-shot" + (f" with {', '.join(map(plain_markdown, templates))}" if templates else "")]
    return [
        *([f"- {plain_markdown(learned_from)}"] if learned_from else []),
        f"- {training.epochs} epochs, learning rate {training.lr:g}, {training.batch_size} photos a step, "
        f"{training.views or 'fresh'} views of each, prompt dropout {classifier.model_.config.dropout:g}, seed "
        f"{training.seed}",
    ]


def _method(classifier: GalLoPClassifier) -> list[str]:
    model = classifier.model_
    m, n = model.prompts.sizes
    scales = f" with k = {', '.join(map(str, model.config.topk))} regions" if n else ""
    plainly = ", no projection of the regions learned" if n and not model.config.local_projection else ""
    kind = model.backbone.region_kind
    return [
        f"- {m} global prompt{'s' * (m != 1)}, {n} local prompt{'s' * (n != 1)}{scales}{plainly}",
        *([f"- Region features of the kind {plain_markdown(kind)}, not the paper's"] if kind != "value" else []),
        f"- Backbone: {plain_markdown(model.backbone.name)}, fingerprint `{model.backbone.fingerprint[:16]}`. "
        "Its weights are not in this model and have licences of their own.",
    ]


def _threshold(threshold: float | None, note: str) -> str:
    more = f" ({plain_markdown(note)})" if note else ""
    if threshold is None:
        return f"it has no limit for it{more}"
    return f"an outlier score (GL-MCM) above {threshold:.4f}{more or ', which 5 % of known photos were'}"
