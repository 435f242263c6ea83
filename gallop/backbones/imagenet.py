"""ImageNet's class names and CLIP's sentences, which come with open_clip and timm: only this package imports them."""

from __future__ import annotations

import open_clip
from timm.data.imagenet_info import ImageNetInfo

ENSEMBLE_TEMPLATES: tuple[str, ...] = tuple(sentence("{}") for sentence in open_clip.SIMPLE_IMAGENET_TEMPLATES)
"""The seven whose mean CLIP's authors recommend for zero-shot; ``{}`` is the class name."""

# WordNet's words where two classes have one name in open_clip's list ("missile", "sunglasses").
_SAME_WORD = {"n04008634": "projectile", "n04355933": "sunglass"}


def imagenet_names() -> dict[str, str]:
    """Return the thousand class names, all different, keyed by synset (``n01440764``) in the order of the class
    indices.

    The order of the indices is that of the sorted synsets. Two names differ from the list of CLIP's authors, which
    holds "missile" and "sunglasses" twice: a classifier here tells its classes apart by their names.
    """
    synsets = sorted(ImageNetInfo().label_names())  # type: ignore[no-untyped-call]
    return {
        synset: _SAME_WORD.get(synset, name)
        for synset, name in zip(synsets, open_clip.IMAGENET_CLASSNAMES, strict=True)
    }
