"""Test photos asked about: features in memory where they fit, and of every answer only what figures are made of.

ImageNet's 50,000 photos would take 15 GB as features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gallop.backbones import Backbone
from gallop.errors import TrainingDiverged
from gallop.evaluation.kept_answers import KeptAnswers
from gallop.features.cache import STORED_DTYPE
from gallop.features.encoding import ONCE, Cache, ImageFeatures, Sight, encode_centres
from gallop.methods import Fitted
from gallop.predictions.predict import Predictions

MEMORY_BYTES = 2 * 2**30
"""Of test features, those of all sets and groups together; what does not fit is encoded, or read, for every run."""

PhotoGroup = tuple[str, str]
"""("set" or "unknown", name)"""


@dataclass(frozen=True)
class PhotosEncoding:
    """Photos to be asked about are being encoded: ``done`` of ``total`` of a set or group."""

    name: str
    done: int
    total: int


def among(found: Predictions, classes: Sequence[int] | None) -> KeptAnswers:
    """Return what is kept of answers (``KeptAnswers.of``).

    Raises:
        TrainingDiverged: probabilities that are not numbers.
    """
    if not np.isfinite(found.probabilities).all():
        raise TrainingDiverged("The answers are not numbers; try a smaller learning rate.")
    return KeptAnswers.of(found, classes)


class Asker:
    """Test photos of sets and groups, ready for one backbone.

    Args:
        told: hears of photos that are encoded while a run is answered, because their features are not kept.
    """

    def __init__(self, cache: Cache | None, told: Callable[[PhotosEncoding], object] = lambda event: None) -> None:
        self._cache, self._told = cache, told
        self._backbone: Backbone | None = None
        self._sight = ONCE
        self._features: dict[PhotoGroup, ImageFeatures] = {}
        self._passed: set[PhotoGroup] = set()  # those that do not fit, once they are in the cache

    def prepare(
        self, backbone: Backbone, sight: Sight, sources: dict[PhotoGroup, Sequence[Path]]
    ) -> Iterator[PhotosEncoding]:
        """Have in memory the features of these, as far as they fit, and no other set's or backbone's.

        What does not fit goes through the tower once, into the cache: a photo that cannot be read must not be found
        only when a long training is over.
        """
        if (backbone, sight) != (self._backbone, self._sight):
            self.forget()
            self._backbone, self._sight = backbone, sight
        for place in [place for place in self._features if place[0] == "set" and place not in sources]:
            del self._features[place]
        for place, paths in sources.items():
            if place in self._features or place in self._passed:
                continue
            fits, parts, done = self._fits(backbone, len(paths)), list[ImageFeatures](), 0
            for part in encode_centres(backbone, paths, self._cache, sight=sight):
                parts += [part] if fits else []
                done += len(part)
                yield PhotosEncoding(place[1], done, len(paths))
            if fits:
                self._features[place] = ImageFeatures.cat(parts)
            else:
                self._passed.add(place)

    def forget(self) -> None:
        """Let go of all features, and of the backbone, so that another can take its place in memory."""
        self._features.clear()
        self._passed.clear()
        self._backbone = None

    def _fits(self, backbone: Backbone, photos: int) -> bool:
        return (
            sum(each.bytes for each in self._features.values()) + photos * photo_bytes(backbone, self._sight)
            <= MEMORY_BYTES
        )

    def ask(
        self, fitted: Fitted, place: PhotoGroup, paths: Sequence[Path], classes: Sequence[int] | None = None
    ) -> KeptAnswers:
        """Return answers for all photos of a place that was prepared, all at once or a batch at a time.

        Args:
            classes: numbers of those that are asked about, ascending; None for all.
        """
        assert self._backbone is not None
        if place in self._features:
            return among(fitted.predict(self._features[place]), classes)
        parts, done = [], 0
        for features in encode_centres(self._backbone, paths, self._cache, sight=self._sight):
            parts.append(among(fitted.predict(features), classes))
            done += len(features)
            self._told(PhotosEncoding(place[1], done, len(paths)))
        return KeptAnswers.cat(parts)


def photo_bytes(backbone: Backbone, sight: Sight) -> int:
    """Return what the features of one photo take."""
    return sight.regions(backbone) * backbone.vision.region_width * STORED_DTYPE.itemsize
