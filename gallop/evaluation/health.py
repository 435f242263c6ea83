"""Whether a folder of labelled photos is fit to learn from: copies, imbalance, labels in doubt, files that cannot be
read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from gallop.backbones import Backbone
from gallop.data import LabelledPhotos, PhotoSource
from gallop.evaluation.measure import Suspect, suspects
from gallop.features.encoding import Cache, ImageFeatures, encode_centres
from gallop.features.near_duplicates import near_duplicates, tells_copies
from gallop.wording import counted

UNEVEN = 4
"""A class with this many times as many photos as another is worth a word."""
_FOLDS, _INVERSE_PENALTY = 5, 1.0


@dataclass(frozen=True)
class DataHealth:
    """What was found in labelled photos, and in a test beside them.

    Attributes:
        counts: class -> photos to learn from.
        within, across: pairs of photos that are the same picture or nearly: both to learn from, or one to test on.
        doubted: (photo, its class, the class it looks like), the most doubtful first.
        skipped: files that cannot be read, with the reason.
        near: whether near copies were looked for; with other backbones than ``mini`` equal pictures alone are found.
    """

    counts: dict[str, int]
    within: tuple[tuple[PhotoSource, PhotoSource], ...]
    across: tuple[tuple[PhotoSource, PhotoSource], ...]
    doubted: tuple[tuple[PhotoSource, str, str], ...]
    skipped: tuple[tuple[Path | int, str], ...]
    near: bool

    @property
    def fine(self) -> bool:
        """Return whether no problems were found."""
        return not (self.within or self.across or self.doubted or self.skipped or self.uneven)

    @property
    def uneven(self) -> bool:
        """Whether the largest class has ``UNEVEN`` times as many photos as the smallest."""
        return max(self.counts.values()) >= UNEVEN * min(self.counts.values())

    @property
    def words(self) -> str:
        """Return one line, such as "2 copies within the photos, 1 label in doubt (gallop data check shows them)"."""
        large, small = (pick(self.counts, key=self.counts.__getitem__) for pick in (max, min))
        parts = [
            (len(self.within), f"{counted(len(self.within), 'pair')} of equal or nearly equal photos"),
            (len(self.across), f"{counted(len(self.across), 'test photo')} also among the training photos"),
            (len(self.doubted), f"{counted(len(self.doubted), 'label')} in doubt"),
            (len(self.skipped), f"{counted(len(self.skipped), 'file')} that cannot be read"),
            (self.uneven, f"{self.counts[large]} photos of {large} and {self.counts[small]} of {small}"),
        ]
        return "; ".join(words for there, words in parts if there) or "no problems found"


def check_data(
    train: LabelledPhotos, backbone: Backbone, cache: Cache | None, test: LabelledPhotos | None = None
) -> DataHealth:
    """Look through labelled photos with a frozen backbone; nothing is learned.

    Args:
        cache: of features, so that a training that follows encodes nothing again.
        test: photos to test on, which must not be among the others.

    Raises:
        ImageError: a photo that can no longer be read.
    """
    features, near = _features(train, backbone, cache), tells_copies(backbone)
    within = _copies(train, features, train, features, near=near)
    across = [] if test is None else _copies(train, features, test, _features(test, backbone, cache), near=near)
    doubted = [
        (train.photos[found.photo], train.class_names[found.given], train.class_names[found.likely])
        for found in doubted_labels(features, train.labels)
    ]
    found = Counter(train.names)
    counts = {name: found[name] for name in train.class_names}
    skipped = train.skipped if test is None else (*train.skipped, *test.skipped)
    return DataHealth(counts, tuple(within), tuple(across), tuple(doubted), skipped, near)


def _copies(
    first: LabelledPhotos, known: ImageFeatures, second: LabelledPhotos, others: ImageFeatures, *, near: bool
) -> list[tuple[PhotoSource, PhotoSource]]:
    """Pairs of a photo of the first set and one of the second; within one set each pair once."""
    same, pairs = first is second, list[tuple[int, int]]()
    for j, digest in enumerate(second.hashes):
        before = first.hashes[:j] if same else first.hashes
        pairs += [(before.index(digest), j)] if digest in before else []
    if near and same:
        pairs += [(i, j) for j in range(1, len(second)) for i, _ in near_duplicates(known[:j], others[j : j + 1])]
    elif near:
        pairs += near_duplicates(known, others)
    return [(first.photos[i], second.photos[j]) for i, j in dict.fromkeys(pairs)]


def doubted_labels(features: ImageFeatures, labels: Sequence[int]) -> list[Suspect]:
    """Return labels that a logistic regression on the other photos' features doubts (``suspects``), the most doubtful
    first; none where a class has a single photo.

    Args:
        labels: class indices (B,).
    """
    given = np.asarray(labels, dtype=np.intp)
    fewest = int(np.bincount(given).min())
    if fewest < 2 or len(set(labels)) < 2:
        return []
    unit: NDArray[np.float32] = F.normalize(features.global_.float(), dim=-1).numpy()
    folds = StratifiedKFold(min(_FOLDS, fewest), shuffle=True, random_state=0)
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000)
    return suspects(cross_val_predict(model, unit, given, cv=folds, method="predict_proba"), given)


def _features(photos: LabelledPhotos, backbone: Backbone, cache: Cache | None) -> ImageFeatures:
    return ImageFeatures.cat(list(encode_centres(backbone, photos.photos, cache, photos.hashes)))
