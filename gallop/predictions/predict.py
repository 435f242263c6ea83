"""Answers for images, from their stored similarities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gallop.core.gallop import TextFeatures
from gallop.errors import DataError
from gallop.features.encoding import ImageFeatures, encode_sources
from gallop.model.answers import GLOBAL, LOCAL, Answers, answers
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel
from gallop.model.scores import VERDICT
from gallop.model.similarities import Similarities
from gallop.names.class_names import one_class, said
from gallop.predictions.together import Together, answered_together
from gallop.setting import require
from gallop.wording import counted, html_table, listed

MOST_ROWS = 20
"""Of a table in a notebook."""


@dataclass(frozen=True, repr=False)
class Predictions:
    """Answers for B images.

    Attributes:
        labels: B class names.
        probabilities: (B, K) of the ensemble, calibrated where a temperature was fitted.
        probabilities_global, probabilities_local: (B, K) of either kind of prompts; the local one is None where N = 0.
        ood: the scores of ``gallop.model.scores.SCORES`` that the method has, each (B,), larger = more outlier.
        is_ood: (B,) the verdict's score, GL-MCM, above the threshold; None without one. Of a model of one class:
            whether the answer is unsure.
        branches: (B, K) of each branch beside the prompts, by name.
        class_names: K names.
        embeddings: (B, D) global features of length 1, in half precision; None where only cosines were given.
        neighbourhood: what each answer is made of, where the photos were asked about together; None elsewhere.
    """

    labels: NDArray[np.str_]
    probabilities: NDArray[np.float32]
    probabilities_global: NDArray[np.float32]
    probabilities_local: NDArray[np.float32] | None
    ood: dict[str, NDArray[np.float32]]
    is_ood: NDArray[np.bool_] | None
    branches: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    embeddings: NDArray[np.float16] | None = None
    neighbourhood: Together | None = None

    def together(self) -> Predictions:
        """Return the answers with the votes of the photos most like each photo: see ``gallop.predictions.together``.

        Labels and probabilities change; OOD scores and verdicts, those of single branches and of prompts stay.

        Raises:
            DataError: answers without features.
        """
        if self.embeddings is None:
            raise DataError(
                "These answers come without features of their photos. Get them from GalLoPClassifier.predict_all."
            )
        found = answered_together(self.probabilities, self.embeddings, self.is_ood)
        return replace(
            self,
            labels=np.array(self.class_names)[found.probabilities.argmax(axis=1)],
            probabilities=found.probabilities,
            neighbourhood=found,
        )

    @property
    def answers(self) -> NDArray[np.str_]:
        """Return whether each image (B,) shows the one class of the model, as "yes", "no" or "unsure".

        Raises:
            ConfigError: a model of other classes than one and "something else".
        """
        require(
            one_class(self.class_names) is not None,
            "Only a model of one class and 'something else' answers yes, no or unsure.",
        )
        unsure = np.zeros(len(self), dtype=bool) if self.is_ood is None else self.is_ood
        each = zip(self.labels.tolist(), unsure.tolist(), strict=True)
        return np.array([said(label, verdict, self.class_names) for label, verdict in each])

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row an image: label, probability, is_ood, each OOD score, and the
        probability of each class under its name.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        columns = {"label": self.labels, "probability": self.probabilities.max(axis=1)}
        columns |= {"is_ood": self.is_ood} if self.is_ood is not None else {}
        names = self.class_names or tuple(map(str, range(self.probabilities.shape[1])))
        return pd.DataFrame(columns | self.ood | dict(zip(names, self.probabilities.T, strict=True)))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        names, counts = np.unique(self.labels, return_counts=True)
        labels = listed([f"{name} {count}" for name, count in zip(names, counts, strict=True)])
        noticed = "" if self.is_ood is None else f"; {int(self.is_ood.sum())} none of these"
        return f"Predictions({counted(len(self), 'image')}: {labels}{noticed})"

    def _repr_html_(self) -> str:
        noticed = [""] * len(self) if self.is_ood is None else np.where(self.is_ood, "yes", "no").tolist()
        sure = [f"{p:.1%}" for p in self.probabilities.max(axis=1)]
        rows = list(zip(range(len(self)), self.labels, sure, noticed, strict=True))
        more = f"<p>and {len(self) - MOST_ROWS} more</p>" if len(self) > MOST_ROWS else ""
        return html_table(("image", "label", "probability", "none of these"), rows[:MOST_ROWS]) + more

    @staticmethod
    def cat(parts: Sequence[Predictions]) -> Predictions:
        """Return all images of the parts, in order; one class list and one calibration, as one classifier
        gives them.
        """
        local = [p.probabilities_local for p in parts if p.probabilities_local is not None]
        verdicts = [p.is_ood for p in parts if p.is_ood is not None]
        features = [p.embeddings for p in parts if p.embeddings is not None]
        return Predictions(
            labels=np.concatenate([p.labels for p in parts]),
            probabilities=np.concatenate([p.probabilities for p in parts]),
            probabilities_global=np.concatenate([p.probabilities_global for p in parts]),
            probabilities_local=np.concatenate(local) if local else None,
            ood={name: np.concatenate([p.ood[name] for p in parts]) for name in parts[0].ood},
            is_ood=np.concatenate(verdicts) if verdicts else None,
            branches={name: np.concatenate([p.branches[name] for p in parts]) for name in parts[0].branches},
            class_names=parts[0].class_names,
            embeddings=np.concatenate(features) if features else None,
        )


def predict(model: PromptModel, calibration: Calibration, images: Any, text: TextFeatures | None = None) -> Predictions:
    """Return answers for one image or many, or for features encoded before, a batch at a time.

    Args:
        text: features of the classes, where they are not those after the model's prompts.

    Raises:
        DataError: no image at all, or features that the model cannot take.
        ImageError: one that cannot be read.
    """
    text, rule = model.cached_text_features() if text is None else text, model.rule(calibration)
    with torch.no_grad():
        parts = [
            predictions_of(model.class_names, answers(model.maps(features, text), rule), features)
            for features in encode_sources(model.backbone, images, model.sight)  # which checks those that are given
        ]
    if not parts:
        raise DataError("No images were given. Pass at least one.")
    return parts[0] if len(parts) == 1 else Predictions.cat(parts)


def similarities(model: PromptModel, images: Iterable[ImageFeatures]) -> Similarities:
    """Return all cosines of many images, in fp32 on the CPU: everything that is asked of them later starts here.

    Args:
        images: features, a batch at a time.

    Raises:
        DataError: no image at all.
    """
    text = model.cached_text_features()
    with torch.no_grad():
        parts = [model.similarities(features, text).each(Tensor.cpu) for features in images]
    if not parts:
        raise DataError("No images were given. Pass at least one.")
    return Similarities.cat(parts)


def predictions_of(class_names: Sequence[str], found: Answers, features: ImageFeatures | None = None) -> Predictions:
    """Return answers as arrays, with the names of the classes and the embeddings of features, where these are there."""
    each = {name: to_array(found.rule.probabilities(scores)) for name, scores in found.kinds.items()}
    probabilities = to_array(found.probabilities)
    ood = {name: to_array(score) for name, score in found.similarities.ood.items()}
    length_one = None if features is None else to_array(F.normalize(features.global_.float(), dim=-1))
    return Predictions(
        labels=np.array(class_names)[probabilities.argmax(axis=1)],
        probabilities=probabilities,
        probabilities_global=each.pop(GLOBAL),
        probabilities_local=each.pop(LOCAL, None),
        ood=ood,
        is_ood=found.rule.verdict(ood[VERDICT], probabilities),
        branches=each,
        class_names=tuple(class_names),
        embeddings=None if length_one is None else length_one.astype(np.float16),
    )


def to_array(tensor: Tensor) -> NDArray[np.float32]:
    """Return a tensor as fp32 numbers on the CPU, without its gradient."""
    return np.asarray(tensor.detach().to("cpu", torch.float32))
