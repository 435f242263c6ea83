"""What repeats: nearly the same picture in many photos of one class and in few of the others, as a tag or a frame is.

Whatever the model sees with, photos are compared by early layers of ``mini``: they tell a picture from one that means
the same, which late layers do not, and what counts as nearly the same picture is measured on their cosines.

Shapes: n photos, C cells of a side of the feature map, P patches of a photo, W values of a patch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gallop.backbones import load_backbone
from gallop.evaluation.intervals import Proportion
from gallop.features.preparing import prepare
from gallop.runtime.progress import StageEvent
from gallop.wording import counted

GAP = 0.22
"""How much nearer its best match is in the photos of the class than in others, where a thing repeats: cosines.

Measured inside train folders of seven sets, 16 photos a class: of 81 classes as they are three are above it, two of
which have such a thing (a dark frame, and white corners of photos that were turned; the third is faces), with 8 photos
two. With one of 13 kinds of cue in 10 to 16 photos of a class, 62 of 91 are above, and the photos that are said to have
it are those that have it. Half-transparent text is missed in 11 of 14.
"""
LEAST = 6
"""Photos of a class, and of others, below which nothing is said."""
_MOST, _OTHERS = 32, 30  # photos of a class, and of the others, that are compared
_ALL = 3_200  # photos of all classes whose feature maps are held, or LEAST of each class: some 400 MB
_STAGES, _SIDE = 3, 3  # of the encoder, whose cells of 8 pixels see some 50; cells of a side of a patch
_DRAWN, _BEST = 700, 5  # patches that are looked for in all photos, and those of them that decide
_OWN, _OTHER = 0.45, 0.95  # quantiles of the best matches: more than half of the class have it, one in twenty others
_SHRINK = 0.1
_BATCH = 32


@dataclass(frozen=True)
class Repeat:
    """A thing that is nearly the same picture in photos of a class, and not in the others.

    Attributes:
        gap: how much nearer its best match is in the photos of the class than in others, as a cosine.
        photos: of the class that have it, by index.
        own, others: how many of the compared photos of the class have it, and of the others.
        cells: (photos, C, C), 1 where it is in what the model sees of each, else 0.
    """

    gap: float
    photos: tuple[int, ...]
    own: Proportion
    others: Proportion
    cells: Tensor = field(repr=False, compare=False)

    def of(self, photo: int) -> Tensor:
        """Return the cells (C, C) of a photo, by index."""
        return self.cells[self.photos.index(photo)]

    def seen(self, photo: int, grid: tuple[int, int]) -> Tensor:
        """Return the part (rows, columns) of each region of a photo, by index, in which it is."""
        return F.adaptive_avg_pool2d(self.of(photo)[None], grid)[0]

    def region(self, photo: int, grids: Sequence[tuple[int, int]]) -> int:
        """Return the region of a photo, by index, that shows most of it: of the last look, in its evidence's order."""
        return sum(map(math.prod, grids[:-1])) + int(self.seen(photo, grids[-1]).argmax())

    def words(self, class_name: str) -> str:
        """Return a sentence without its full stop."""
        none = f"none of {self.others.of}" if not self.others.right else f"{self.others.right} of {self.others.of}"
        of = counted(self.own.of, "photo")
        return f"the same thing is in {self.own.right} of {of} of {class_name} and in {none} others"


def repeats(
    photos: Sequence[Any], labels: NDArray[np.intp], squash: bool = False
) -> Iterator[StageEvent | dict[int, Repeat]]:
    """Look for what repeats in each class; the last event is what was found, by class index. Stop at any time.

    Args:
        labels: class indices (n,).
        squash: the model sees full photos as squares, and not their middle (``Preprocess``).

    Raises:
        ImageError: a photo that cannot be read.
    """
    if np.bincount(labels).max() < LEAST:
        yield {}
        return
    eye, draw, found = load_backbone("mini", device="cpu"), np.random.default_rng(0), dict[int, Repeat]()
    trunk: Any = eye.vision.module.trunk
    early, preprocess = nn.Sequential(trunk.conv_stem, trunk.bn1, trunk.blocks[:_STAGES]), eye.preprocess
    present = np.unique(labels).tolist()
    most = max(min(_MOST, _ALL // len(present)), LEAST)
    kept = np.sort(np.concatenate([draw.permutation(np.flatnonzero(labels == k))[:most] for k in present])).tolist()
    of, parts, steps = labels[kept], list[Tensor](), len(kept) + len(present)
    for start in range(0, len(kept), _BATCH):
        batch = [photos[i] for i in kept[start : start + _BATCH]]
        with torch.inference_mode():
            parts.append(early(prepare(batch, replace(preprocess, squash=squash)).looks[0]).float())
        yield StageEvent("repeats", start + len(batch), steps)
    maps = _whitened(torch.cat(parts))
    for done, k in enumerate(present, len(kept) + 1):
        mine, others = np.flatnonzero(of == k), draw.permutation(np.flatnonzero(of != k))[:_OTHERS]
        if min(len(mine), len(others)) >= LEAST:
            made = _repeat(_patches(maps[mine]), _patches(maps[others]), [kept[i] for i in mine], draw)
            found |= {k: made} if made.gap >= GAP else {}
        yield StageEvent("repeats", done, steps)
    yield found


def _whitened(maps: Tensor) -> Tensor:
    """The same maps (n, channels, C, C), with the covariance of all cells taken out: what most cells differ in tells no
    picture from another.
    """
    cells = maps.movedim(1, -1).flatten(0, -2)
    values, vectors = torch.linalg.eigh(torch.cov(cells.T))
    white = (vectors * (values + _SHRINK * values.mean()).rsqrt()) @ vectors.T
    return torch.einsum("nchw,cd->ndhw", maps - cells.mean(dim=0)[:, None, None], white)


def _patches(maps: Tensor) -> Tensor:
    """(n, P, W) of maps (n, channels, C, C), with length 1."""
    return F.normalize(F.unfold(maps, _SIDE).mT, dim=-1)


def _repeat(own: Tensor, others: Tensor, photos: Sequence[int], draw: np.random.Generator) -> Repeat:
    """What repeats most in a class, of patches (its photos, P, W) and (others, P, W)."""
    rows, places = draw.integers(len(own), size=_DRAWN), draw.integers(own.shape[1], size=_DRAWN)
    wanted = own[rows, places]
    (mine, where), (theirs, _) = (_best_matches(wanted, some) for some in (own, others))
    mine[torch.arange(_DRAWN), rows] = torch.nan  # a patch is its own best match
    level, usual = torch.nanquantile(mine, _OWN, dim=1), torch.quantile(theirs, _OTHER, dim=1)
    mine[torch.arange(_DRAWN), rows] = 1.0
    gaps, cut = level - usual, (level + usual)[:, None] / 2
    best = gaps.topk(_BEST)
    has, have = ((some >= cut)[best.indices].any(dim=0) for some in (mine, theirs))
    seen = ((mine >= cut) & (gaps >= best.values.mean() / 2)[:, None]).float()
    side, around = math.isqrt(own.shape[1]), (_SIDE - 1,) * 4
    corners = torch.zeros(own.shape[:2]).scatter_reduce(1, where.T, seen.T, "amax").reshape(-1, 1, side, side)
    cells = F.max_pool2d(F.pad(corners, around), _SIDE, stride=1)[has, 0]
    return Repeat(
        float(best.values.mean()),
        tuple(photo for photo, held in zip(photos, has.tolist(), strict=True) if held),
        Proportion(int(has.sum()), len(own)),
        Proportion(int(have.sum()), len(others)),
        cells,
    )


def _best_matches(wanted: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and place of the nearest patch in each photo, of patches (m, W) and (n, P, W): twice (m, n)."""
    found = [(wanted @ photo.T).max(dim=1) for photo in photos]
    return torch.stack([each.values for each in found], dim=1), torch.stack([each.indices for each in found], dim=1)
