"""Photos of ordinary things, from which one class is told: the sample's, without what the class may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gallop.backbones import Backbone
from gallop.data import PhotoSource
from gallop.features.encoding import Cache, encode_centres
from gallop.sample import sample_photos


def ordinary_photos(
    name: str, photos: Sequence[PhotoSource], backbone: Backbone, cache: Cache | None = None
) -> list[Path]:
    """Return the sample's photos, apart from those of things that a class may be.

    These are things whose name is a part of the class's, or the other way round, and those whose photos are as close to
    the mean of the class's photos as these are to the mean of the others, by the cosine of their features.

    Args:
        name, photos: of the class; at least one photo, and from two on closeness counts.

    Raises:
        ImageError: a photo that cannot be read.
    """
    things = dict[str, list[Path]]()
    for photo in sample_photos():
        things.setdefault(photo.class_name or photo.path.stem, []).append(photo.path)

    def unit(some: Sequence[PhotoSource]) -> Tensor:  # (B, D)
        return normalize(torch.cat([part.global_.float().cpu() for part in encode_centres(backbone, some, cache)]))

    own, chosen = unit(photos), list[Path]()
    near = (own * normalize(own.sum(dim=0) - own)).sum(dim=1).mean() if len(own) > 1 else own.new_ones(())
    for thing, its in things.items():
        named = thing in name.casefold() or name.casefold() in thing
        if not named and (unit(its) @ normalize(own.mean(dim=0), dim=0)).mean() < near:
            chosen += its
    return chosen
