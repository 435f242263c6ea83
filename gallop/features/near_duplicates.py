"""Photos that are nearly the same picture, or of one sitting: a test on photos that were learned from tests nothing.

``gallop.data.duplicates`` detects the same picture byte by byte, by its hash; this detects one that was saved again,
cut, brightened or mirrored, from features that are computed anyway.

Shapes: A and B photos, R regions, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from gallop.backbones import Backbone
from gallop.features.cache import ImageFeatures

ALIKE_GLOBAL, ALIKE_PLACES = 0.94, 0.82
"""Cosines of global features and of regions, above which two photos are called the same picture.

Measured on ``mini``, whose scale they are of, with 672 photos of seven sets: of 32,256 pairs of different photos none
is above either (the most alike, two sketches of an elephant, are at 0.924 and 0.791). Of copies of 175 of them these
are detected: saved as JPEG at quality 90, 75 and 50, 100, 99 and 95 %; cut by 5 and 10 %, 98 and 75 %; a quarter
brighter, 90 %; paler, 100 %; mirrored, 94 %; turned by 5 degrees, 50 %; at half the size, 42 %.
"""
GAP, GAP_OF_FEW = 1.3, 3.0
"""Photos of a class are of few sittings where clusters of them are so many times as far from each other as their photos
are (complete linkage of 1 - cosine): ``GAP + GAP_OF_FEW / photos``.

Chosen with train folders of seven sets, 81 classes: none has such a gap, whether 6, 8, 12 or 16 of its photos are asked
about. Of the same with crops of two, three and four photos a class in other light, all classes were found in 21 of 21
sets with 16 photos, in 19 with 8 and in 11 with 6.
A ratio has no scale, so that it holds for any backbone. All photos of one sitting have no gap, and are not detected.
"""
_FEWEST = 6  # photos of a class: of fewer a gap is often chance
_FEWEST_PAIRED = 4  # photos that make two clusters of several
_MEASURED_ON = "mini"
_ROWS = 64


def tells_copies(backbone: Backbone) -> bool:
    """Return whether the limits are of this backbone's cosines; those of another have a different scale."""
    return backbone.name == _MEASURED_ON


def alike_groups(features: ImageFeatures, labels: Sequence[int]) -> list[int]:
    """Return a group number for each of A photos: those of one class that are nearly the same picture share one.

    So do those that are linked by such photos, as the frames of a film are.

    Args:
        labels: class indices (A,).
    """
    groups, first = [0] * len(labels), 0
    for label in sorted(set(labels)):
        members = [i for i, other in enumerate(labels) if other == label]
        some = features[torch.tensor(members)]
        unit = F.normalize(some.global_.float(), dim=-1)
        same = (unit @ unit.T > ALIKE_GLOBAL) | (_by_place(some.regions, some.regions) > ALIKE_PLACES)
        count, numbers = connected_components(same.numpy(), directed=False)
        for i, number in zip(members, numbers.tolist(), strict=True):
            groups[i] = first + number
        first += count
    return groups


def independent_groups(
    backbone: Backbone, features: ImageFeatures, labels: Sequence[int], sittings: Sequence[Hashable] = ()
) -> tuple[list[int], list[int]]:
    """Return a group number for each of A photos, whose photos say no more about others than one does, and the classes
    whose photos are of few sittings.

    A group is a sitting in these classes, and elsewhere what ``alike_groups`` finds where the backbone tells copies.

    Args:
        labels: class indices (A,).
        sittings: (A,) of the photos where they are known; these are the groups then, class by class.
    """
    if sittings:
        number = {key: n for n, key in enumerate(dict.fromkeys(zip(labels, sittings, strict=True)))}
        return [number[key] for key in zip(labels, sittings, strict=True)], []
    groups = alike_groups(features, labels) if tells_copies(backbone) else list(range(len(labels)))
    unit = F.normalize(features.global_.float(), dim=-1).cpu().numpy()
    pictures: dict[int, list[int]] = {}  # of each class one photo of each group
    for label, group in sorted(set(zip(labels, groups, strict=True))):
        pictures.setdefault(label, []).append(groups.index(group))
    clusters = {label: _clusters(unit[photos]) for label, photos in pictures.items() if len(photos) >= _FEWEST_PAIRED}
    few = [
        label
        for label, (gap, _) in clusters.items()
        if (photos := len(pictures[label])) >= _FEWEST and gap >= GAP + GAP_OF_FEW / photos
    ]
    if len(few) > 1 and 2 * len(few) >= len(pictures):
        few = list(clusters)  # whoever photographed half of the classes so did it with the others
    sitting = dict[int, int]()  # of a group
    for label in few:
        first = max([*groups, *sitting.values()]) + 1
        sitting |= {
            groups[i]: first + int(cluster) for i, cluster in zip(pictures[label], clusters[label][1], strict=True)
        }
    return [sitting.get(group, group) for group in groups], few


def _clusters(unit: NDArray[np.float32]) -> tuple[float, NDArray[np.intp]]:
    """Return the largest gap between the heights of two merges of a class's photos, and their clusters there, (n,).

    Where half of the clusters are single photos, these are exceptions, such as wrong labels, and no sittings.
    """
    heights = (merges := linkage(unit, "complete", "cosine"))[:, 2]
    largest, found = 0.0, np.zeros(len(unit), np.intp)
    for count in range(2, len(unit) // 2 + 1):
        gap = heights[len(unit) - count] / max(heights[len(unit) - count - 1], 1e-6)
        clusters = fcluster(merges, count, "maxclust")
        if gap > largest and 2 * (np.bincount(clusters) == 1).sum() < count:
            largest, found = gap, clusters.astype(np.intp)
    return float(largest), found


def near_duplicates(first: ImageFeatures, second: ImageFeatures | None = None) -> list[tuple[int, int]]:
    """Return pairs of photos that are nearly the same picture, as their indices in the two sets; the most alike first.

    Each photo of the second set is compared with the one of the first that it is most alike. They are the same picture
    where either cosine is above its limit: that of the global features, which mirroring hardly changes, or the mean of
    those of the same regions, which is far lower for any other photo of the same thing. Without a second set each photo
    of the first is compared with those before it.
    """
    if not len(first):
        return []
    pairs: list[tuple[float, int, int]] = []
    asked = first if second is None else second
    for start in range(0, len(asked), _ROWS):
        part, known = asked[start : start + _ROWS], first if second is not None else first[: start + _ROWS]
        unit, others = (F.normalize(some.global_.float(), dim=-1) for some in (part, known))
        above = torch.maximum(  # (rows, A)
            unit @ others.T - ALIKE_GLOBAL, _by_place(part.regions, known.regions) - ALIKE_PLACES
        )
        if second is None:
            above = above.where(torch.ones_like(above).tril(start - 1) > 0, -1)
        pairs += [
            (float(above[row, best]), best, start + row)
            for row, best in enumerate(above.argmax(dim=1).tolist())
            if above[row, best] > 0
        ]
    return [(one, other) for _, one, other in sorted(pairs, key=lambda pair: -pair[0])]


def _by_place(rows: Tensor, known: Tensor) -> Tensor:
    """Mean over regions of the cosines of (rows, R, V) and (A, R, V): (rows, A)."""
    unit = F.normalize(rows.float(), dim=-1).flatten(1)
    parts = [unit @ F.normalize(some.float(), dim=-1).flatten(1).T for some in torch.split(known, _ROWS)]
    return torch.cat(parts, dim=1) / known.shape[1]
