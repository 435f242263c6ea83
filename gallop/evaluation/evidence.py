"""What a class relies on: the regions that decide for it over all its photos, in clusters of regions that look alike.

Each region's contribution to the score of its photo's class is exact (``gallop.predictions.contributions``), so the
contributions of all clusters and of what no region adds are the mean score.

Shapes: n photos, R regions of each (of all looks that answers are computed from), K classes, D joint width, W words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from gallop.data import LabelledPhotos, distinct_photos
from gallop.errors import DataError
from gallop.evaluation.diversity import FoundRegion
from gallop.evaluation.failing_groups import FailingGroups, Words, failing_groups
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.repeats import Repeat, repeats
from gallop.evaluation.what_if import WhatIf, what_if
from gallop.features.encoding import ImageFeatures, encode_centres, open_cache
from gallop.images import load_image
from gallop.model.in_words import dictionary
from gallop.model.prompted import PromptModel
from gallop.predictions.contributions import contributions, joint_regions
from gallop.predictions.predict import to_array
from gallop.runtime.progress import StageEvent
from gallop.setting import require
from gallop.wording import as_drawn, counted, in_percent, listed

FITS = 0.35
"""A word whose text feature has a smaller cosine with a cluster does not describe it."""
LARGE_REST = 0.3
"""Of the mean score: where more is in no cluster, that comes first wherever clusters are shown."""
_LEAST_CLUSTERS, _MOST_CLUSTERS, _MOST_WORDS = 4, 10, 3
_GALLERY = 12  # regions of a cluster that are shown, one a photo
# Of how the regions differ: what one cluster more must explain, above the least number, and what may be left below it.
_GAIN, _LEFT = 0.05, 0.1
# Regions of a class that clusters are made from: of each photo this fraction, those with the largest contributions, or
# fewer where there are many photos. All others then belong to the nearest cluster.
_KEPT, _MOST_REGIONS = 2 / 3, 10_000
_WIDTH = 32  # principal components of these regions


@dataclass(frozen=True)
class Cluster:
    """Regions that look alike.

    Attributes:
        adds: what they add to the score of the class, the mean over its photos; below 0 where they speak against it.
        share: the same as a fraction of the mean score's size.
        photos: those of the class in which it takes part: it has one of the regions that decide, as ``ClassEvidence``
            has them.
        mistakes: photos that are answered wrongly, with this class or in place of it, in which it takes part.
        words: the nearest words and their cosines, the nearest first; empty where none reaches ``FITS``.
        gallery: its regions that add most, of as many photos.
    """

    adds: float
    share: float
    photos: tuple[int, ...]
    mistakes: tuple[int, ...]
    words: tuple[tuple[str, float], ...]
    gallery: tuple[FoundRegion, ...]

    @property
    def called(self) -> str:
        """Return its nearest words, or that none fits."""
        return ", ".join(word for word, _ in self.words) or "no word fits"


@dataclass(frozen=True)
class ClassEvidence:
    """What one class relies on.

    Attributes:
        photos: of the class, by index.
        score: the mean over them of what the class has above the mean of all classes, in the unit of cosines.
        rest: what is in no cluster; with ``Cluster.adds`` of all clusters it makes ``score``.
        clusters: that first whose regions add most each, so that a small thing that decides much comes before a large
            one of which each region decides little.
        shown: the photos of the class and then those that are wrongly answered with it.
        member, adds: (photos shown, R), the cluster of each region, and what it adds to the photo's score of the class.
        decides: (photos shown, R), whether a region is one of those that decide: the fewest of its photo that together
            hold half of all that speaks for the class.
        repeat: a thing that is nearly the same picture in many of its photos and in few of the others.
        without: the answers with that thing covered.
    """

    class_name: str
    photos: tuple[int, ...]
    score: float
    rest: float
    clusters: tuple[Cluster, ...]
    shown: tuple[int, ...] = field(repr=False)
    member: NDArray[np.intp] = field(repr=False, compare=False)
    adds: NDArray[np.float32] = field(repr=False, compare=False)
    decides: NDArray[np.bool_] = field(repr=False, compare=False)
    repeat: Repeat | None = None
    without: WhatIf | None = None

    @property
    def repeats(self) -> str:
        """Return a sentence about what repeats, without its full stop; empty where nothing does."""
        if self.repeat is None or self.without is None:
            return ""
        falls = f"without it the score falls by {in_percent(max(self.without.drop, 0))}"
        more = "" if self.without.stands_out else ", no more than with other places covered"
        return f"{self.repeat.words(self.class_name)}, and {falls}{more}"

    @property
    def rest_share(self) -> float:
        """Return the size of the rest as a fraction of the mean score."""
        return abs(self.rest) / max(abs(self.score), 1e-9)

    @cached_property
    def leading(self) -> dict[int, int]:
        """Map the index of each photo of the class to that of the cluster that adds most to its score."""
        adds = [np.where(self.member == c, self.adds, 0).sum(axis=1) for c in range(len(self.clusters))]
        return dict(zip(self.photos, np.argmax(adds, axis=0).tolist(), strict=False))

    @property
    def words(self) -> str:
        """Return a sentence without its full stop; the rest leads where it is large."""
        of = [("" if each.words else "regions that ") + each.called for each in self.clusters]
        shares = [f"{what} {in_percent(each.share)}" for what, each in zip(of, self.clusters, strict=True)]
        shares.insert(
            0 if self.rest_share > LARGE_REST else len(shares), f"{in_percent(self.rest_share)} in no cluster"
        )
        return "; ".join([f"{self.class_name} relies on {shares[0]}", *shares[1:], *[self.repeats] * bool(self.repeat)])


@dataclass(frozen=True)
class Evidence:
    """What each class relies on, over n labelled photos, and which groups of photos fail.

    Attributes:
        data: the photos, with the class list of the model.
        probabilities, scores: (n, K); a score is what a class has above the mean of all.
        classes: of those that have photos.
        groups: that fail more often than the others.
        grids: (rows, columns) of the regions of each look, in the order in which regions are numbered.
    """

    data: LabelledPhotos
    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: tuple[ClassEvidence, ...]
    groups: FailingGroups
    grids: tuple[tuple[int, int], ...]

    @cached_property
    def truth(self) -> NDArray[np.intp]:
        """Return the class indices (n,) of the labels."""
        return np.array(self.data.labels, dtype=np.intp)

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """Return the class indices (n,) of the answers."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def accuracy(self) -> Proportion:
        return Proportion(int((self.predicted == self.truth).sum()), len(self.truth))

    def of(self, class_name: str) -> ClassEvidence:
        """Return what a class relies on.

        Raises:
            ValueError: it has no such class, or no photo of it.
        """
        by_name = {each.class_name: each for each in self.classes}
        if class_name not in by_name:
            raise ValueError(f"There is no evidence of {class_name!r}; there is of {listed([*by_name])}.")
        return by_name[class_name]

    def place(self, region: int) -> tuple[int, tuple[int, int]]:
        """Return the number of a region in its look, and the grid of that look."""
        for rows, columns in self.grids:
            if region < rows * columns:
                break
            region -= rows * columns
        return region, (rows, columns)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values: accuracy, classes with their clusters, and groups; photos by index."""
        return {
            "photos": len(self.data),
            "accuracy": self.accuracy.value,
            "classes": [
                {
                    "class": each.class_name,
                    "photos": len(each.photos),
                    "score": each.score,
                    "rest": each.rest,
                    "repeats": each.repeat
                    and {"photos": list(each.repeat.photos), "own": asdict(each.repeat.own)}
                    | {"others": asdict(each.repeat.others), "drop": each.without and each.without.drop},
                    "clusters": [
                        {
                            "words": dict(cluster.words),
                            "adds": cluster.adds,
                            "share": cluster.share,
                            "photos": list(cluster.photos),
                            "mistakes": list(cluster.mistakes),
                        }
                        for cluster in each.clusters
                    ],
                }
                for each in self.classes
            ],
            "groups": asdict(self.groups),
        }

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row a cluster, and one for what is in none.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        for each in self.classes:
            rows += [
                (each.class_name, i, c.called, c.adds, c.share, len(c.photos), len(c.mistakes))
                for i, c in enumerate(each.clusters, 1)
            ]
            left = (each.rest, each.rest / (abs(each.score) or 1.0), len(each.photos), 0)
            rows.append((each.class_name, 0, "in no cluster", *left))
        return pd.DataFrame(rows, columns=["class", "cluster", "words", "adds", "share", "photos", "mistakes"])

    def plot(self) -> Any:
        """Return a figure of matplotlib: what the clusters add to the mean score of each class."""
        from gallop.runtime.figures import ShownFigure

        figure = ShownFigure(figsize=(8, 1 + 0.5 * len(self.classes)), layout="constrained")
        axes = figure.subplots()
        for row, each in enumerate(self.classes):
            adds = np.array([*(cluster.adds for cluster in each.clusters), each.rest])  # each from where the last ends
            axes.barh(
                [row] * len(adds),
                adds,
                left=adds.cumsum() - adds,
                color=[*(f"C{i}" for i in range(len(each.clusters))), "lightgray"],
                edgecolor="white",
            )
        axes.set_yticks(range(len(self.classes)), [as_drawn(each.class_name) for each in self.classes])
        axes.set(xlabel="adds to the mean score (grey: in no cluster)", ylim=(len(self.classes) - 0.5, -0.5))
        return figure

    def __repr__(self) -> str:
        return f"Evidence({counted(len(self.data), 'photo')}; {'; '.join(each.words for each in self.classes)})"


def evidence(classifier: Any, images: Any, labels: Any = None) -> Evidence:
    """Return what each class of a ``GalLoPClassifier`` relies on, over labelled photos.

    Args:
        images, labels: as for ``score``; features come from the classifier's cache where it has them.

    Raises:
        DataError: a class that the model does not know, or one picture with two class names.
        ConfigError: the model has one class alone.
        ImageError: a photo that cannot be read.

    >>> evidence(clf, "photos/test").of("mug").words  # doctest: +SKIP
    'mug relies on mug, handle 41 %; ...'
    """
    *_, found = evidence_steps(classifier, images, labels)
    return cast(Evidence, found)


def evidence_steps(classifier: Any, images: Any, labels: Any = None) -> Iterator[StageEvent | Evidence]:
    """Work step by step, as ``evidence`` does; the last event is its result. Stop at any time."""
    photos, names = classifier._labelled(images, labels)
    hashes, model = images.hashes if isinstance(images, LabelledPhotos) else None, classifier.model_
    require(len(model.class_names) > 1, "With one class alone nothing speaks for it rather than another. Add a class.")
    data = distinct_photos(photos, names, hashes, model.class_names)
    if not len(data):
        raise DataError("There are no photos. Pass at least one of a class that the model knows.")
    labels, cache = np.array(data.labels), open_cache(classifier.cache)
    parts, classes, appearances = list[tuple[Tensor, ...]](), list[ClassEvidence](), list[tuple[float, float, float]]()
    for features in encode_centres(model.backbone, data.photos, cache, data.hashes, model.sight):
        batch = slice(len(appearances), len(appearances) + len(features))
        parts.append(_taken_apart(model, features, labels[batch]))
        appearances += map(_appearance, data.photos[batch])
        yield StageEvent("regions", len(appearances), len(data))
    taken = _Taken(*map(torch.cat, zip(*parts, strict=True)))
    words, present = _word_features(model), sorted({*data.labels})
    for k in present:
        with threadpool_limits(1):  # threads that wait for each other take far longer than so little work
            classes.append(_class_evidence(taken, labels, k, model.class_names[k], words))
        yield StageEvent("clusters", len(classes), len(present))
    for event in repeats(data.photos, labels, model.backbone.preprocess.squash):
        if isinstance(event, StageEvent):
            yield event
        else:
            classes = [replace(each, repeat=event.get(k)) for k, each in zip(present, classes, strict=True)]
    grids, means = model.sight.grids(model.backbone), to_array(F.normalize(taken.joint.mean(dim=1).float(), dim=-1))
    rule = model.rule(classifier.calibration_)
    probabilities, facts = to_array(rule.probabilities(taken.scores)), taken.size_and_place(grids)
    held = {
        f"{each.class_name}: cluster {i} ({cluster.called})": (cluster.photos, each.photos)
        for each in classes
        for i, cluster in enumerate(each.clusters[:3], 1)
    }
    found = Evidence(
        data,
        probabilities,
        scores=to_array(taken.scores),
        classes=tuple(classes),
        groups=failing_groups(means, labels, probabilities, np.hstack([np.array(appearances), facts]), held, words),
        grids=grids,
    )
    for row, each in enumerate(classes):
        for step in what_if(classifier, found, each.class_name) if each.repeat else ():
            if isinstance(step, StageEvent):
                yield step
            else:
                classes[row] = replace(each, without=step)
    yield replace(found, classes=tuple(classes))


def _appearance(photo: Any) -> tuple[float, float, float]:
    """Return the mean brightness and the mean saturation of a photo, each in [0, 1], and its sharpness.

    Sharpness is the mean size of the second differences of the greys of neighbours over that of the first: it falls
    where edges are wide, and light and contrast leave it as it is.
    """
    image = load_image(photo).image
    colours = np.asarray(image.resize((32, 32)).convert("HSV"), dtype=np.float32)
    _, saturation, value = colours.mean(axis=(0, 1)).tolist()
    grey = np.asarray(image.convert("F").resize((128, 128)))  # in steps finer than a grey level: flat photos have few
    first, second = (sum(float(np.abs(np.diff(grey, n, axis)).mean()) for axis in (0, 1)) for n in (1, 2))
    return value / 255, saturation / 255, second / max(first, 1e-9)


@dataclass(frozen=True)
class _Taken:
    """What regions add to the score of the class of their photo, and to that of its answer, (n, R); scores and what no
    region adds (n, K); regions in the joint space, in half precision (n, R, D).
    """

    own: Tensor
    answered: Tensor
    scores: Tensor
    rest: Tensor
    joint: Tensor

    def size_and_place(self, grids: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        """(n, 2): the fraction of the regions that decide, and how far their middle is from that of the photo.

        For the answer, which knows nothing of the label: few regions decide for a class that is not there.
        """
        places = np.concatenate([np.indices(grid).reshape(2, -1).T / np.array(grid) for grid in grids])
        decide = _deciding(to_array(self.answered))
        middles = decide @ (places - places.mean(axis=0)) / np.maximum(decide.sum(axis=1, keepdims=True), 1)
        return np.stack([decide.mean(axis=1), np.linalg.norm(middles, axis=1)], axis=1)


def _taken_apart(model: PromptModel, features: ImageFeatures, labels: NDArray[np.intp]) -> tuple[Tensor, ...]:
    """The fields of ``_Taken`` for a batch."""
    part, rows = contributions(model, features, model.config.topk), torch.arange(len(features))
    own, answered = (part.regions[rows, :, k] for k in (torch.from_numpy(labels), part.scores.argmax(dim=1)))
    return own, answered, part.scores, part.rest, joint_regions(model, features).half()


def _deciding(adds: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(photos, R): the fewest regions of each photo that together hold half of what speaks for the class."""
    order = np.argsort(-adds, axis=1, kind="stable")
    ranked = np.take_along_axis(np.maximum(adds, 0), order, axis=1)
    among = (ranked.cumsum(axis=1) - ranked < ranked.sum(axis=1, keepdims=True) / 2) & (ranked > 0)
    return np.take_along_axis(among, np.argsort(order, axis=1), axis=1)


def _word_features(model: PromptModel) -> Words:
    """W words, those of the dictionary and the class names, and their text features (W, D) of length 1."""
    words = list(dict.fromkeys([*model.class_names, *dictionary()]))
    return words, to_array(model.name_features(words))


def _class_evidence(taken: _Taken, labels: NDArray[np.intp], k: int, class_name: str, words: Words) -> ClassEvidence:
    predicted = to_array(taken.scores).argmax(axis=1)
    photos, others = np.flatnonzero(labels == k), np.flatnonzero((labels != k) & (predicted == k))
    shown, n = np.concatenate([photos, others]), len(photos)
    adds = np.concatenate([to_array(taken.own[photos]), to_array(taken.answered[others])])
    joint, decides = to_array(taken.joint[shown]), _deciding(adds)
    member, score = _members(joint, adds, n), float(taken.scores[photos, k].mean())
    strength = np.array([adds[:n][member[:n] == c].mean() for c in range(member.max() + 1)])
    member = np.argsort(np.argsort(-strength))[member]
    clusters = []
    for c in range(member.max() + 1):
        mean = float(np.where(member == c, adds, 0)[:n].sum() / n)
        inside, weights = member == c, np.where(member == c, np.maximum(adds, 0), 0)[:n]
        takes_part = (inside & decides).any(axis=1)
        clusters.append(
            Cluster(
                adds=mean,
                share=mean / (abs(score) or 1.0),
                photos=tuple(photos[takes_part[:n]].tolist()),
                mistakes=tuple(shown[takes_part & (labels[shown] != predicted[shown])].tolist()),
                words=_nearest(np.einsum("nr,nrd->d", weights, joint[:n]), words),
                gallery=_gallery(photos, weights),
            )
        )
    return ClassEvidence(
        class_name,
        photos=tuple(photos.tolist()),
        score=score,
        rest=float(taken.rest[photos, k].mean()),
        clusters=tuple(clusters),
        shown=tuple(shown.tolist()),
        member=member,
        adds=adds,
        decides=decides,
    )


def _members(joint: NDArray[np.float32], adds: NDArray[np.float32], n: int) -> NDArray[np.intp]:
    """(photos, R), the cluster of each region, of which the first ``n`` photos make them.

    k-means of a class's regions, each less the mean of its photo, so that a thing is not split by the photos it is on:
    four clusters, or fewer that explain 90%, and one more as long as it explains 5% more. Regions that hardly add
    anything make no cluster. The others count alike: weighted by what they add, a small thing that is on all photos
    shares its cluster with what is beside it.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    kept = min(round(_KEPT * adds.shape[1]), max(_MOST_REGIONS // n, 1))
    best = np.argsort(-np.abs(adds[:n]), axis=1, kind="stable")[:, :kept]
    apart = joint - joint.mean(axis=1, keepdims=True)
    regions = np.take_along_axis(apart[:n], best[:, :, None], axis=1).reshape(-1, joint.shape[2])
    narrow = PCA(min(_WIDTH, *regions.shape), svd_solver="covariance_eigh").fit(regions)
    points, every = (narrow.transform(some).astype(np.float64) for some in (regions, apart.reshape(-1, joint.shape[2])))
    made = one = KMeans(1, random_state=0).fit(points)
    for count in range(2, min(_MOST_CLUSTERS, len(np.unique(points, axis=0))) + 1):
        more = KMeans(count, n_init=3, random_state=0).fit(points)
        gain = (made.inertia_ - more.inertia_) / one.inertia_
        if made.inertia_ < _LEFT * one.inertia_ or (gain < _GAIN and count > _LEAST_CLUSTERS):
            break
        made = more
    return np.asarray(made.predict(every).reshape(adds.shape))


def _nearest(middle: NDArray[np.float32], words: Words) -> tuple[tuple[str, float], ...]:
    """The words nearest to a direction (D,), as far as they fit."""
    cosines = words[1] @ middle / max(float(np.linalg.norm(middle)), 1e-12)
    best = np.argsort(-cosines, kind="stable")[:_MOST_WORDS]
    return tuple((words[0][w], float(cosines[w])) for w in best.tolist() if cosines[w] >= FITS)


def _gallery(photos: NDArray[np.intp], adds: NDArray[np.float32]) -> tuple[FoundRegion, ...]:
    """The region of each photo that adds most, the largest first, without those that hardly add anything."""
    best, most = adds.argmax(axis=1), adds.max(axis=1)
    order = [row for row in np.argsort(-most, kind="stable")[:_GALLERY].tolist() if most[row] > most.max() / 10]
    return tuple(FoundRegion(int(photos[row]), int(best[row]), float(most[row])) for row in order)
