"""What a class stands on: the regions that decide for it over all its photos, in clusters of regions that look alike.

Each region's contribution to the score of its photo's class is exact (``gallop.predictions.contributions``), so the
contributions of all clusters and of what no region adds are the mean score.

Shapes: n photos, R regions of each (of all looks that answers are computed from), K classes, D joint width, W words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from gallop.core.scores import class_probabilities
from gallop.data import LabelledPhotos, distinct_photos
from gallop.errors import DataError
from gallop.evaluation.diversity import FoundRegion
from gallop.evaluation.failing_groups import FailingGroups, failing_groups
from gallop.evaluation.intervals import Proportion
from gallop.features.encoding import Cache, encode_centres, open_cache
from gallop.images import load_image
from gallop.model.calibration import Calibration
from gallop.model.in_words import dictionary
from gallop.model.prompted import PromptModel
from gallop.predictions.contributions import Contributions, contributions, joint_regions
from gallop.predictions.predict import to_array
from gallop.runtime.progress import ProgressDisplay
from gallop.setting import require
from gallop.wording import counted, html_table, listed

MOST_CLUSTERS = 10
GAIN = 0.05
"""One cluster more is made as long as it explains this fraction more of how the regions differ."""
MOST_REGIONS = 2000
"""Of a class that clusters are made from: of each photo the same number, those with the largest contributions. All
others then belong to the nearest cluster."""
WIDTH = 32
"""Principal components of the regions that clusters are made from."""
FITS = 0.35
"""A word whose text feature has a smaller cosine with a cluster does not describe it."""
LARGE_REST = 0.3
"""Of the mean score: where more is in no cluster, that comes first wherever clusters are shown."""
GALLERY = 12
"""Regions of a cluster that are shown, one a photo."""
_MOST_WORDS = 3

Words: TypeAlias = tuple[list[str], NDArray[np.float32]]
"""W words and their text features (W, D) of length 1."""


@dataclass(frozen=True)
class EvidenceEvent:
    """Progress: photos or classes so far, of how many, by stage."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Cluster:
    """Regions that look alike.

    Attributes:
        adds: what they add to the score of the class, the mean over its photos; below 0 where they speak against it.
        share: the same as a fraction of the mean score.
        photos: those of the class in which it takes part: it has one of the regions that decide, the fewest that
            together hold half of all that speaks for the class.
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
    """What one class stands on.

    Attributes:
        photos: of the class, by index.
        score: the mean over them of what the class has above the mean of all classes, in the unit of cosines.
        rest: what is in no cluster; with ``Cluster.adds`` of all clusters it makes ``score``.
        clusters: that which adds most first.
        shown: the photos of the class and then those that are wrongly answered with it.
        member, adds: (photos shown, R), the cluster of each region, and what it adds to the photo's score of the class.
    """

    class_name: str
    photos: tuple[int, ...]
    score: float
    rest: float
    clusters: tuple[Cluster, ...]
    shown: tuple[int, ...] = field(repr=False)
    member: NDArray[np.int8] = field(repr=False, compare=False)
    adds: NDArray[np.float32] = field(repr=False, compare=False)

    @property
    def rest_share(self) -> float:
        """Return the size of the rest as a fraction of the mean score."""
        return abs(self.rest) / max(abs(self.score), 1e-9)

    @property
    def words(self) -> str:
        """Return a sentence without its full stop; the rest leads where it is large."""
        told = [f"{cluster.called} {cluster.share:.0%}" for cluster in self.clusters]
        rest = f"{self.rest_share:.0%} in no cluster"
        parts = [rest, *told] if self.rest_share > LARGE_REST else [*told, rest]
        return f"{self.class_name} stands on {'; '.join(parts)}"


@dataclass(frozen=True)
class Evidence:
    """What each class stands on, over n labelled photos, and which groups of photos fail.

    Attributes:
        data: the photos, with the class list of the model.
        predicted: (n,) class indices of the answers.
        probabilities, scores: (n, K); a score is what a class has above the mean of all.
        classes: of those that have photos.
        groups: that fail more often than the others.
        features: (n, D) of the photos, of length 1: the mean of their regions in the joint space.
        grids: (rows, columns) of the regions of each look, in the order in which regions are numbered.
        topk: the scales that it was computed at.
    """

    data: LabelledPhotos
    predicted: NDArray[np.intp]
    probabilities: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: tuple[ClassEvidence, ...]
    groups: FailingGroups
    features: NDArray[np.float32] = field(repr=False)
    grids: tuple[tuple[int, int], ...]
    topk: tuple[int, ...]

    @cached_property
    def truth(self) -> NDArray[np.intp]:
        """Return the class indices (n,) of the labels."""
        return np.array(self.data.labels, dtype=np.intp)

    @property
    def accuracy(self) -> Proportion:
        return Proportion(int((self.predicted == self.truth).sum()), len(self.truth))

    def of(self, class_name: str) -> ClassEvidence:
        """Return what a class stands on.

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

    def layout(self, how: str = "pca") -> NDArray[np.float32]:
        """Return the photos in two dimensions, (n, 2), by the features of each.

        Args:
            how: "pca", or "tsne", which takes a minute for thousands of photos.

        Raises:
            ConfigError: another way.
        """
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE

        require(how in ("pca", "tsne"), f"how is {how!r}; choose pca or tsne.")
        if len(self.features) < 3:
            return np.zeros((len(self.features), 2), np.float32)
        perplexity = min(30.0, (len(self.features) - 1) / 3)
        way = PCA(2, random_state=0) if how == "pca" else TSNE(2, random_state=0, perplexity=perplexity)
        return np.asarray(way.fit_transform(self.features), np.float32)

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
            "groups": self.groups.to_dict(),
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
            rows.append((each.class_name, 0, "in no cluster", each.rest, each.rest / each.score, len(each.photos), 0))
        return pd.DataFrame(rows, columns=["class", "cluster", "words", "adds", "share", "photos", "mistakes"])

    def plot(self) -> Any:
        """Return a figure of matplotlib: what the clusters add to the mean score of each class."""
        from gallop.runtime.figures import ShownFigure
        from gallop.wording import as_drawn

        figure = ShownFigure(figsize=(8, 1 + 0.5 * len(self.classes)), layout="constrained")
        axes = figure.subplots()
        for row, each in enumerate(self.classes):
            ends = {True: 0.0, False: 0.0}  # what speaks for the class to the right, what speaks against to the left
            parts = [*((f"C{i % 10}", c.adds) for i, c in enumerate(each.clusters)), ("lightgray", each.rest)]
            for colour, adds in parts:
                axes.barh(row, adds, left=ends[adds >= 0], color=colour, edgecolor="white")
                ends[adds >= 0] += adds
        axes.set_yticks(range(len(self.classes)), [as_drawn(each.class_name) for each in self.classes])
        axes.invert_yaxis()
        axes.set(xlabel="adds to the mean score (grey: in no cluster)")
        return figure

    def __repr__(self) -> str:
        clusters = sum(len(each.clusters) for each in self.classes)
        return f"Evidence({counted(len(self.data), 'photo')}, {len(self.classes)} classes, {clusters} clusters)"

    def _repr_html_(self) -> str:
        rows = [(each.class_name, f"{c.share:.0%}", c.called) for each in self.classes for c in each.clusters]
        return html_table(("class", "share", "cluster"), rows)


def evidence(
    classifier: Any,
    images: Any,
    labels: Any = None,
    *,
    verbose: bool = False,
    callback: Callable[[EvidenceEvent], object] | None = None,
) -> Evidence:
    """Return what each class of a ``GalLoPClassifier`` stands on, over labelled photos.

    Args:
        images, labels: as for ``score``; features come from the classifier's cache where it has them.
        verbose: show progress.
        callback: called with each event.

    Raises:
        DataError: a class that the model does not know, or one picture with two class names.
        ConfigError: the model has one class alone.
        ImageError: a photo that cannot be read.

    >>> evidence(clf, "photos/test").of("mug").words  # doctest: +SKIP
    'mug stands on mug, handle 41%; ...'
    """
    photos, names = classifier._labelled(images, labels, None)
    hashes = images.hashes if isinstance(images, LabelledPhotos) else None
    data = distinct_photos(photos, names, hashes, classifier.classes_.tolist())
    steps = evidence_steps(classifier.model_, classifier.calibration_, data, open_cache(classifier.cache))
    with ProgressDisplay(wanted=verbose) as progress:
        for event in steps:
            if isinstance(event, Evidence):
                return event
            progress.show(event.stage, event.done, event.total)
            if callback is not None:
                callback(event)
    raise AssertionError("the last event is the evidence")


def evidence_steps(
    model: PromptModel,
    calibration: Calibration,
    data: LabelledPhotos,
    cache: Cache | None,
    topk: Sequence[int] | None = None,
) -> Iterator[EvidenceEvent | Evidence]:
    """Work step by step; the last event is the ``Evidence``. Stop at any time.

    Args:
        data: photos whose class list is the model's.
        topk: other scales than the model's.

    Raises:
        ConfigError, DataError, ImageError: as ``evidence``.
    """
    require(
        len(model.class_names) > 1, "With one class alone nothing speaks for it rather than for another. Add a class."
    )
    if not len(data):
        raise DataError("There are no photos. Pass at least one of a class that the model knows.")
    topk = tuple(model.config.topk if topk is None else topk)
    known = _Known(model, data.labels)
    hashes = data.hashes if all(data.hashes) else None
    for features in encode_centres(model.backbone, data.photos, cache, hashes, model.sight):
        known.add(contributions(model, features, topk), joint_regions(model, features))
        yield EvidenceEvent("regions", len(known.joint), len(data))
    words, classes = _word_features(model), list[ClassEvidence]()
    present = sorted(set(data.labels))
    for k in present:
        with threadpool_limits(1):  # threads that wait for each other take far longer than so little work
            classes.append(_class_evidence(known, k, model.class_names[k], words))
        yield EvidenceEvent("clusters", len(classes), len(present))
    looks = list[tuple[float, float]]()
    for photo in data.photos:
        looks.append(light_and_colour(photo))
        yield EvidenceEvent("brightness", len(looks), len(data))
    logits, grids = torch.stack(known.scores), model.sight.grids(model.backbone)
    probabilities = to_array(class_probabilities(logits, model.backbone.logit_scale, calibration.temperature))
    truth, means = np.array(data.labels), known.means
    facts = np.concatenate([np.array(looks), known.size_and_place(grids)], axis=1)
    held = {
        f"{each.class_name}: cluster {i} ({cluster.called})": (cluster.photos, each.photos)
        for each in classes
        for i, cluster in enumerate(each.clusters[:3], 1)
    }
    groups = failing_groups(means, truth, probabilities, facts, held, words)
    yield Evidence(data, known.predicted, probabilities, to_array(logits), tuple(classes), groups, means, grids, topk)


def light_and_colour(photo: Any) -> tuple[float, float]:
    """Return the mean brightness and the mean saturation of a photo, each in [0, 1]."""
    small = load_image(photo).image.resize((32, 32))
    _, saturation, value = np.asarray(small.convert("HSV"), dtype=np.float32).transpose(2, 0, 1) / 255
    return float(value.mean()), float(saturation.mean())


class _Known:
    """What is known of the photos that were encoded.

    Attributes:
        own, answered: (R,) of each photo, what its regions add to the score of its class, and of its answer.
        joint: (R, D) of each, in half precision.
    """

    def __init__(self, model: PromptModel, labels: Sequence[int]) -> None:
        self.labels = labels
        self.scores, self.rest, self.joint = list[Tensor](), list[Tensor](), list[Tensor]()
        self.own, self.answered = list[NDArray[np.float32]](), list[NDArray[np.float32]]()

    def add(self, taken: Contributions, joint: Tensor) -> None:
        """Add a batch."""
        for regions, scores, rest, features in zip(taken.regions, taken.scores, taken.rest, joint, strict=True):
            self.own.append(to_array(regions[:, self.labels[len(self.scores)]]))
            self.answered.append(to_array(regions[:, int(scores.argmax())]))
            self.scores.append(scores)
            self.rest.append(rest)
            self.joint.append(features.half())

    @property
    def predicted(self) -> NDArray[np.intp]:
        return np.array([int(scores.argmax()) for scores in self.scores], dtype=np.intp)

    @cached_property
    def means(self) -> NDArray[np.float32]:
        """(n, D), the mean region of each photo."""
        return _unit(np.stack([to_array(regions.float().mean(dim=0)) for regions in self.joint]))

    def size_and_place(self, grids: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        """(n, 2): the fraction of the regions that decide, and how far their middle is from that of the photo.

        For the answer, which knows nothing of the label: few regions decide for a class that is not there.
        """
        places = np.concatenate([np.indices(grid).reshape(2, -1).T / np.array(grid) for grid in grids])
        decide = [_deciding(answered[None])[0] for answered in self.answered]
        middles = np.array([places[some].mean(axis=0) if some.any() else (0.5, 0.5) for some in decide])
        return np.stack([np.mean(decide, axis=1), np.linalg.norm(middles - places.mean(axis=0), axis=1)], axis=1)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return vectors / lengths


def _deciding(adds: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(photos, R): the fewest regions of each photo that together hold half of what speaks for the class."""
    order = np.argsort(-adds, axis=1, kind="stable")
    ranked = np.take_along_axis(np.maximum(adds, 0), order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    decide = np.zeros(adds.shape, dtype=bool)
    np.put_along_axis(decide, order, (before < ranked.sum(axis=1, keepdims=True) / 2) & (ranked > 0), axis=1)
    return decide


def _word_features(model: PromptModel) -> Words:
    """W words, those of the dictionary and the class names, and their text features (W, D) of length 1."""
    words = list(dict.fromkeys([*model.class_names, *dictionary()]))
    return words, to_array(model.name_features(words))


def _class_evidence(known: _Known, k: int, class_name: str, words: Words) -> ClassEvidence:
    labels, predicted = np.array(known.labels), known.predicted
    photos = np.flatnonzero(labels == k)
    shown = np.concatenate([photos, np.flatnonzero((labels != k) & (predicted == k))])
    adds = np.stack([known.own[i] if labels[i] == k else known.answered[i] for i in shown])
    joint = [to_array(known.joint[i].float()) for i in shown]
    count, cluster_of = _clusters(joint[: len(photos)], adds[: len(photos)])
    member = np.stack([cluster_of(regions) for regions in joint])
    score, rest = (float(np.mean([values[i][k] for i in photos])) for values in (known.scores, known.rest))
    wrong, made = labels[shown] != predicted[shown], list[Cluster]()
    for number in range(count):
        inside = member == number
        takes_part = (inside & _deciding(adds)).any(axis=1)
        mean = float(np.where(inside, adds, 0)[: len(photos)].sum(axis=1).mean())
        made.append(
            Cluster(
                mean,
                mean / score if score else 0.0,
                tuple(photos[takes_part[: len(photos)]].tolist()),
                tuple(shown[takes_part & wrong].tolist()),
                _nearest(joint[: len(photos)], np.where(inside, np.maximum(adds, 0), 0)[: len(photos)], words),
                _gallery(photos, np.where(inside, adds, -np.inf)[: len(photos)]),
            )
        )
    order = sorted(range(len(made)), key=lambda number: -made[number].adds)
    ordered, member = tuple(made[number] for number in order), np.argsort(order)[member].astype(np.int8)
    mine, every = (tuple(some.tolist()) for some in (photos, shown))
    return ClassEvidence(class_name, mine, score, rest, ordered, every, member, adds)


def _clusters(
    joint: Sequence[NDArray[np.float32]], adds: NDArray[np.float32]
) -> tuple[int, Callable[[NDArray[np.float32]], NDArray[np.intp]]]:
    """How many clusters there are, and the function from regions (R, D) to their clusters (R,).

    k-means of a class's regions, each less the mean of its photo, so that a thing is not split by the photos it is on,
    and weighted by the size of what it adds, so that those that decide nothing shape no cluster; one cluster more as
    long as it explains ``GAIN`` more.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    most = max(MOST_REGIONS // len(joint), 1)
    best = np.argsort(-np.abs(adds), axis=1, kind="stable")[:, :most]
    regions = np.concatenate([_apart(some)[chosen] for some, chosen in zip(joint, best, strict=True)])
    weights = np.abs(np.take_along_axis(adds, best, axis=1)).ravel() + 1e-9
    narrow = PCA(min(WIDTH, *regions.shape), svd_solver="full").fit(regions)
    points = narrow.transform(regions).astype(np.float64)
    made = KMeans(1, random_state=0).fit(points, sample_weight=weights)
    spread = before = made.inertia_
    for count in range(2, min(MOST_CLUSTERS, len(np.unique(points, axis=0))) + 1):
        more = KMeans(count, n_init=3, random_state=0).fit(points, sample_weight=weights)
        if before - more.inertia_ < GAIN * spread:
            break
        made, before = more, more.inertia_
    return made.n_clusters, lambda some: made.predict(narrow.transform(_apart(some)).astype(np.float64))


def _apart(regions: NDArray[np.float32]) -> NDArray[np.float32]:
    centred: NDArray[np.float32] = regions - regions.mean(axis=0)
    return centred


def _nearest(
    joint: Sequence[NDArray[np.float32]], weights: NDArray[np.float32], words: Words
) -> tuple[tuple[str, float], ...]:
    """The words nearest to the mean of some regions, by weight, as far as they fit."""
    rows = [weight @ regions for weight, regions in zip(weights, joint, strict=True)]
    middle = _unit(np.sum(rows, axis=0))
    cosines = words[1] @ middle
    best = np.argsort(-cosines, kind="stable")[:_MOST_WORDS]
    return tuple((words[0][w], float(cosines[w])) for w in best.tolist() if cosines[w] >= FITS)


def _gallery(photos: NDArray[np.intp], adds: NDArray[np.float32]) -> tuple[FoundRegion, ...]:
    """The region of each photo that adds most, the largest first, without those that hardly add anything.

    Args:
        adds: (photos, R), -inf outside the cluster.
    """
    best, most = adds.argmax(axis=1), adds.max(axis=1)
    order = [row for row in np.argsort(-most, kind="stable")[:GALLERY].tolist() if most[row] > max(most.max() / 10, 0)]
    return tuple(FoundRegion(int(photos[row]), int(best[row]), float(most[row])) for row in order)
