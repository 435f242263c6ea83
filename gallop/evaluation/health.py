"""Whether labelled photos are fit to learn from: copies, imbalance, labels in doubt, files that cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F

from gallop.backbones import Backbone
from gallop.data import LabelledPhotos, PhotoSource, duplicates
from gallop.evaluation.measure import Suspect, suspects
from gallop.features.encoding import ImageFeatures
from gallop.features.near_duplicates import independent_groups, near_duplicates, tells_copies
from gallop.wording import counted, listed

MOST_COMPARED = 1000
"""Photos: each is compared with each."""
UNEVEN = 4
"""A class with this many times as many photos as another is worth a word."""
_PENALTY, _TEMPERATURE, _MARGIN = 1.0, 0.08, 0.5


@dataclass(frozen=True)
class DataHealth:
    """Problems of labelled photos, and of a test set given with them.

    Attributes:
        counts: class -> photos to learn from.
        within, across: pairs of photos that are the same picture or nearly: both to learn from, or one to test on.
        doubted: (photo, its class, the class it looks like), the most doubtful first.
        skipped: files that cannot be read, with the reason.
        alike: classes whose photos are alike, as if from few sittings.
        near: whether near copies were searched for; with other backbones than ``mini`` only equal pictures are.
    """

    counts: dict[str, int]
    within: tuple[tuple[PhotoSource, PhotoSource], ...]
    across: tuple[tuple[PhotoSource, PhotoSource], ...]
    doubted: tuple[tuple[PhotoSource, str, str], ...]
    skipped: tuple[tuple[Path | int, str], ...]
    near: bool
    alike: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """One line, such as "1 pair of equal or nearly equal photos; 2 labels in doubt"; empty where all is fine."""
        large, small = (pick(self.counts, key=self.counts.__getitem__) for pick in (max, min))
        uneven = self.counts[large] >= UNEVEN * self.counts[small]
        parts = [
            (self.within, f"{counted(len(self.within), 'pair')} of equal or nearly equal photos"),
            (self.across, f"{counted(len(self.across), 'test photo')} also among the training photos"),
            (self.doubted, f"{counted(len(self.doubted), 'label')} in doubt"),
            (self.skipped, f"{counted(len(self.skipped), 'file')} that cannot be read"),
            (self.alike, f"photos of {listed(self.alike)} alike, as if from few sittings"),
            (uneven, f"{counted(self.counts[large], 'photo')} of {large} and {self.counts[small]} of {small}"),
        ]
        return "; ".join(words for there, words in parts if there)


def check_data(
    train: LabelledPhotos,
    features: ImageFeatures,
    backbone: Backbone,
    test: tuple[LabelledPhotos, ImageFeatures] | None = None,
) -> DataHealth:
    """Look through labelled photos; nothing is learned. Near copies are looked for among up to ``MOST_COMPARED``.

    Args:
        features: of their centre crops, by ``backbone``.
        test: photos to test on, with theirs, which must not be among the others.
    """
    near = tells_copies(backbone) and len(features) <= MOST_COMPARED
    across, skipped = list[tuple[PhotoSource, PhotoSource]](), train.skipped
    within = [*train.copies]
    if near:
        within += [(train.photos[i], train.photos[j]) for i, j in near_duplicates(features)]
    if test is not None:
        photos, skipped = test[0], (*skipped, *test[0].skipped)
        across = (
            [(train.photos[i], photos.photos[j]) for i, j in near_duplicates(features, test[1])]
            if near
            else duplicates(train, photos)
        )
    per_class = Counter(train.names)
    return DataHealth(
        counts={name: per_class[name] for name in train.class_names},
        within=tuple(within),
        across=tuple(across),
        doubted=tuple(
            (train.photos[suspect.photo], train.class_names[suspect.given], train.class_names[suspect.likely])
            for suspect in doubted_labels(features, train.labels)
        ),
        skipped=skipped,
        near=near,
        alike=tuple(train.class_names[k] for k in independent_groups(backbone, features, train.labels)[1]),
    )


def data_in_words(photos: LabelledPhotos, features: ImageFeatures, backbone: Backbone) -> str:
    """Return what ``check_data`` finds in the photos of a training as a line; empty where all is fine."""
    words = check_data(photos, features, backbone).words
    return words and f"data: {words} (gallop data check, or check_data, shows which)"


def doubted_labels(features: ImageFeatures, labels: Sequence[int]) -> list[Suspect]:
    """Return labels that ridge regression on the other photos' features doubts (``suspects``), the most doubtful first.

    Each photo is left out in turn, in closed form. None of a class with a single photo is doubted, nor one that looks
    nearly as much like the class it has. In train folders of eight sets, with 10 % of the labels made wrong, this finds
    74 % of these at 16 shots a class (67 % of what it names is wrong), 66 % at 8 (61 %) and 49 % at 4 (47 %); with no
    label made wrong it names 6, 6 and 10 % of all (benchmarks/doubted.py).

    Args:
        labels: class indices (B,).
    """
    given = torch.tensor(labels)
    x = F.normalize(features.global_.double(), dim=-1)
    x, wanted = x - x.mean(dim=0), F.one_hot(given).double()
    pulled = torch.linalg.solve(x.T @ x + _PENALTY * torch.eye(x.shape[1], dtype=x.dtype), x.T)  # (D, B)
    left = wanted - wanted.mean(dim=0) - x @ (pulled @ wanted)
    weight = (pulled * x.T).sum(dim=0) + 1 / len(x)  # of a photo in its score
    scores = wanted - left / (1 - weight)[:, None]  # (B, K) as if the photo had not been there
    several = (given.bincount()[given] > 1).nonzero()[:, 0]
    candidates = suspects((scores[several] / _TEMPERATURE).softmax(dim=-1).numpy(), given[several].numpy())
    return [
        replace(suspect, photo=int(several[suspect.photo]))
        for suspect in candidates
        if suspect.of_likely - suspect.of_given > _MARGIN
    ]
