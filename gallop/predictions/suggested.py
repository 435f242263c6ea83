"""Names for a photo of which nothing is known: the likely names that stand out, none close to another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn.functional import normalize

from gallop.backbones import Backbone
from gallop.model.prompted import name_features
from gallop.names.likely import EVERYDAY, FEATURES, likely_names

SUGGESTED = 5
# Names whose features, less the mean of all names', have a larger cosine say nearly the same.
_CLOSE = 0.7


def shipped_features(backbone: Backbone) -> Tensor | None:
    """Return ``name_features`` of all likely names (K, D), rounded to half precision; None unless this is the backbone
    that they came with.
    """
    with safe_open(FEATURES, "pt") as file:
        if file.metadata().get("fingerprint") != backbone.fingerprint:
            return None
        features: Tensor = file.get_tensor("names")
    return features.float()


def suggested_names(image: Tensor, texts: Tensor) -> tuple[str, ...]:
    """Return the names that stand out for a photo, the likeliest first.

    A name's score is its cosine with the photo, standardised over all names, and what ``likely_names`` adds. Of names
    close to each other only the likeliest is suggested.

    Args:
        image: global feature (D).
        texts: ``name_features`` (K, D) of the first K likely names.
    """
    cosines = texts @ normalize(image.float().cpu(), dim=-1)
    added = torch.tensor([*likely_names().values()][: len(texts)])
    scores = (cosines - cosines.mean()) / cosines.std().clamp_min(1e-6) + added
    apart = normalize(texts - texts.mean(dim=0), dim=-1)
    names, chosen = [*likely_names()], list[str]()
    while len(chosen) < SUGGESTED and scores.max() > -torch.inf:
        best = int(scores.argmax())
        chosen.append(names[best])
        scores[best] = -torch.inf
        scores[apart @ apart[best] > _CLOSE] = -torch.inf
    return tuple(chosen)


@dataclass
class KnownNames:
    """The likely names that a backbone has read: all of them, or until then the everyday words.

    Attributes:
        texts: ``name_features`` (K, D) of the first K likely names.
        pace: seconds that one name took.
    """

    texts: Tensor
    pace: float = 0.0

    @classmethod
    def at_once(cls, backbone: Backbone) -> KnownNames:
        """Return all names where their features came with the backbone, else the everyday words."""
        shipped, start = shipped_features(backbone), time.monotonic()
        if shipped is not None:
            return cls(shipped)
        texts = name_features(backbone, [*likely_names()][:EVERYDAY])
        return cls(texts, (time.monotonic() - start) / EVERYDAY)

    @property
    def seconds_left(self) -> float:
        """About how long ``read_all`` takes; 0 where there is nothing left to read."""
        return self.pace * (len(likely_names()) - len(self.texts))

    def read_all(self, backbone: Backbone) -> Iterator[float]:
        """Read the other names, yielding the fraction that is done; all are known at the end, and none before."""
        names, parts = [*likely_names()], [self.texts]
        for start in range(len(self.texts), len(names), EVERYDAY):
            yield start / len(names)
            parts.append(name_features(backbone, names[start : start + EVERYDAY]))
        self.texts = torch.cat(parts)
