"""The head in a checkpoint: class sums and one matrix, and features of single shots where that is asked for.

No photo, no path and no name of a file is ever in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.config import HeadKind
from gallop.model.head.forms import LinearForm
from gallop.model.head.head import Head, closed_form
from gallop.model.head.mix import Mix
from gallop.model.head.sums import KeptShots, ShotSums
from gallop.setting import whole_between
from gallop.wording import quoted

_SUMS = ("head.counts", "head.sums", "head.scatter")
_FORM = ("head.weights", "head.bias")
_SHOTS = ("head.shots", "head.labels")
_TEXTS = "head.texts"
HEAD_TENSORS = {*_SUMS, *_FORM, *_SHOTS, _TEXTS}
"""All that a file may hold of a head. The form is there where the sums do not give it, the texts where it is drawn to
them."""


@dataclass(frozen=True)
class HeadSettings:
    """What the settings of a checkpoint say of its head, whose kind is one of the method's settings.

    Attributes:
        weight, temperature: of ``Mix``.
        shots: how many single shots have their features in the file; 0 where only their sums are kept.
        names: whether the text features of the names, to which ridge regression draws its weights, are in the file.
    """

    weight: float
    temperature: float
    shots: int = 0
    names: bool = False

    def __post_init__(self) -> None:
        Mix(self.weight, self.temperature)  # refuses what these cannot be
        whole_between("shots", self.shots, 0, 10**9)
        if not isinstance(self.names, bool):
            raise ValueError(f"names is {quoted(self.names)}, but has to be true or false")

    @staticmethod
    def of(head: Head | None, *, keep_shots: bool) -> HeadSettings | None:
        """Return what there is to say of a head."""
        if head is None:
            return None
        shots = len(head.shots) if keep_shots and head.shots is not None else 0
        return HeadSettings(head.mix.weight, head.mix.temperature, shots, head.texts is not None)


def head_tensors(head: Head, said: HeadSettings) -> dict[str, Tensor]:
    """Return what a file keeps of a head."""
    kept = dict(zip(_SUMS, (head.sums.counts, head.sums.sums, head.sums.scatter), strict=True))
    if head.kind == "logistic":
        kept |= zip(_FORM, (head.form.weights, head.form.bias), strict=True)
    if said.shots:
        assert head.shots is not None
        kept |= zip(_SHOTS, (head.shots.features, head.shots.labels), strict=True)
    if said.names:
        assert head.texts is not None
        kept[_TEXTS] = head.texts
    return {name: tensor.contiguous() for name, tensor in kept.items()}


def read_head(kind: HeadKind, said: HeadSettings, tensors: Mapping[str, Tensor], classes: int, width: int) -> Head:
    """Return the head of a checkpoint.

    Args:
        classes: K.
        width: D of the backbone.

    Raises:
        ValueError: tensors that are missing, too many, of other shapes, or no numbers.
    """
    mix = Mix(said.weight, said.temperature)
    if said.names and kind != "ridge":
        raise ValueError(f"it is drawn to the names of the classes, which a head of {kind} is not: ridge alone is")
    wanted = {*_SUMS, *(_FORM if kind == "logistic" else ()), *(_SHOTS if said.shots else ())}
    wanted |= {_TEXTS} if said.names else set()
    if wanted != set(tensors):
        raise ValueError(f"it holds {sorted(tensors)} of the head, but {sorted(wanted)} are needed")
    counts, sums, scatter = (_numbers(tensors, name).double() for name in _SUMS)
    if (counts.shape, sums.shape, scatter.shape) != ((classes,), (classes, width), (width, width)):
        raise ValueError(f"the head's sums are not of {classes} classes and {width} values")
    if not torch.equal(counts, counts.round().clamp_min(0)) or int((counts > 0).sum()) < 2:
        raise ValueError("the head's counts are not those of shots of two classes or more")
    of_shots = ShotSums(counts, sums, scatter)
    shots = _shots(tensors, said.shots, counts, width) if said.shots else None
    if kind != "logistic":
        texts = _numbers(tensors, _TEXTS).float() if said.names else None
        if texts is not None and texts.shape != (classes, width):
            raise ValueError(f"the texts of the head's names are not of {classes} classes and {width} values")
        return Head(kind, of_shots, closed_form(kind, of_shots, None, texts), mix, shots, texts)
    form = LinearForm(*(_numbers(tensors, name).double() for name in _FORM))
    known = int(of_shots.known.sum())
    if (form.weights.shape, form.bias.shape) != ((known, width), (known,)):
        raise ValueError(f"the head's weights are not of {known} classes and {width} values")
    return Head(kind, of_shots, form, mix, shots)


def _numbers(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    found = tensors[name]
    if not found.is_floating_point() or not torch.isfinite(found).all():
        raise ValueError(f"{name} holds values that are not finite numbers")
    return found


def _shots(tensors: Mapping[str, Tensor], count: int, counts: Tensor, width: int) -> KeptShots:
    features, labels = _numbers(tensors, _SHOTS[0]).float(), tensors[_SHOTS[1]]
    right = features.ndim == 3 and features.shape[1] > 0 and (len(features), features.shape[-1]) == (count, width)
    if not right or labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(f"the head's shots are not {count} of {width} values with a class each")
    if int(labels.min()) < 0 or not torch.equal(labels.bincount(minlength=len(counts)).double(), counts):
        raise ValueError("the classes of the head's shots are not those that were counted")
    return KeptShots(features, labels)
