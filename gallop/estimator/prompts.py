"""``clf.prompts``: whether learned prompts differ, where each looks, what it is worth, what it says in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gallop.data import GivenLabels, GivenPhotos
from gallop.evaluation import diversity as measures
from gallop.evaluation.diversity import Diversity, Worth, diversity_of
from gallop.features.encoding import encode_sources
from gallop.model.answers import Answers, answers
from gallop.model.in_words import MOST_WORDS, InWords, told_in_words
from gallop.model.prompted import PromptModel
from gallop.parts import require_topk
from gallop.predictions.predict import similarities

ReadLabelled = Callable[[GivenPhotos, GivenLabels | None], tuple[Any, list[str]]]
"""Any form of photos and labels -> photos, and their class names as the classifier spells them."""


class LearnedPrompts:
    """The current M global and N local prompts of a classifier; global ones first wherever both are listed.

    Args:
        model: whose prompts they are.
        read: photos with labels, as ``GalLoPClassifier.score`` takes them.
    """

    def __init__(self, model: PromptModel, read: ReadLabelled) -> None:
        self._model, self._read = model, read

    @property
    def names(self) -> list[str]:
        """Return M + N names, such as "global 1" and "local 1 (k = 5)"."""
        config = self._model.config
        local = [f"local {n} (k = {k})" for n, k in enumerate(config.topk, 1)]
        return [f"global {m}" for m in range(1, config.global_prompts + 1)] + local

    def cosines(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (M, M) and (N, N): cosines of two prompts' text features of one class, averaged over the classes."""
        text = self._model.cached_text_features()
        return measures.text_cosines(text.global_), measures.text_cosines(text.local)

    def diversity(self, images: GivenPhotos | None = None, labels: GivenLabels | None = None) -> Diversity:
        """Return how alike the prompts are on average, as figures and as a sentence, which every page leads with.

        With labelled photos it also counts the answers of each prompt alone. Raises DataError and ImageError as
        ``score`` does.
        """
        measured = () if images is None else self._measured(images, labels)
        return diversity_of(self._model.cached_text_features(), *measured)

    def worth(self, images: GivenPhotos, labels: GivenLabels | None = None) -> list[Worth]:
        """Return how each of the M + N prompts affects the answers on labelled photos.

        Raises DataError and ImageError as ``score`` does.
        """
        return measures.worths(*self._measured(images, labels))

    def overlap(self, images: GivenPhotos, labels: GivenLabels | None = None) -> NDArray[np.float64]:
        """Return (N, N): of the regions that either of two local prompts chose for the true class, the fraction that
        both chose, averaged over labelled photos.

        Raises DataError and ImageError as ``score`` does.
        """
        require_topk(self._model.rule().pooling, "The overlap of regions")
        found, truth = self._measured(images, labels)
        return measures.overlaps(measures.chosen_regions(found.similarities, truth, found.rule.topk))

    def in_words(self, class_name: str, most: int = MOST_WORDS) -> list[InWords]:
        """Return what each of the M + N prompts says of a class: its text feature as a sum over words and a rest.

        The text encoder runs once for every word of the dictionary, some hundreds.

        Args:
            most: words of each prompt, beside the class itself.

        Raises:
            ClassNameError: there is no such class.
        """
        return told_in_words(self._model, class_name, self.names, most)

    def __repr__(self) -> str:
        return f"LearnedPrompts({', '.join(self.names)}: {self.diversity().words})"

    def _measured(self, images: GivenPhotos, labels: GivenLabels | None) -> tuple[Answers, list[int]]:
        photos, names = self._read(images, labels)
        similar = similarities(self._model, encode_sources(self._model.backbone, photos, self._model.sight))
        return answers(similar, self._model.rule()), [self._model.class_names.index(name) for name in names]
