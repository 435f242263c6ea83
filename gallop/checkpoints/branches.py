"""Branches in a checkpoint: class sums and one matrix, and features of single shots where that is asked for.

No photo, no path and no name of a file is ever in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.model.branches.branch import Branch
from gallop.model.branches.forms import LinearForm
from gallop.model.branches.kinds import KINDS
from gallop.model.branches.mix import Mix
from gallop.model.branches.sums import KeptShots, ShotSums
from gallop.setting import whole_between
from gallop.wording import quoted

_SUMS = ("counts", "sums", "scatter")
_FORM = ("weights", "bias")
_SHOTS = ("shots", "labels")
_TEXTS = "texts"
_BRANCH_TENSOR = re.compile(rf"head\d*\.({'|'.join((*_SUMS, *_FORM, *_SHOTS, _TEXTS))})")
"""The form is there where the sums do not give it, the texts where it is drawn to them."""


@dataclass(frozen=True)
class BranchSettings:
    """What the settings of a checkpoint say of a branch, whose kind is one of the method's settings.

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
    def of(branch: Branch, *, keep_shots: bool) -> BranchSettings:
        """Return what there is to say of a branch."""
        shots = len(branch.shots) if keep_shots and branch.shots is not None else 0
        return BranchSettings(branch.mix.weight, branch.mix.temperature, shots, branch.texts is not None)


def is_of_branch(name: str) -> bool:
    """Return whether a tensor of this name is a branch's."""
    return _BRANCH_TENSOR.fullmatch(name) is not None


def _prefix(number: int) -> str:
    return f"head{number + 1 if number else ''}."


def branch_tensors(branches: Sequence[Branch], said: Sequence[BranchSettings]) -> dict[str, Tensor]:
    """Return what a file keeps of branches."""
    kept: dict[str, Tensor] = {}
    for i, (branch, settings) in enumerate(zip(branches, said, strict=True)):
        kept |= {_prefix(i) + name: tensor.contiguous() for name, tensor in _tensors(branch, settings).items()}
    return kept


def _tensors(branch: Branch, said: BranchSettings) -> dict[str, Tensor]:
    kept = dict(zip(_SUMS, (branch.sums.counts, branch.sums.sums, branch.sums.scatter), strict=True))
    if branch.how.keeps_form:
        kept |= zip(_FORM, (branch.form.weights, branch.form.bias), strict=True)
    if said.shots:
        assert branch.shots is not None
        kept |= zip(_SHOTS, (branch.shots.features, branch.shots.labels), strict=True)
    if said.names:
        assert branch.texts is not None
        kept[_TEXTS] = branch.texts
    return kept


def read_branches(
    kinds: Sequence[str],
    said: Sequence[BranchSettings],
    tensors: Mapping[str, Tensor],
    classes: int,
    backbone: Backbone,
) -> tuple[Branch, ...]:
    """Return the branches of a checkpoint.

    Args:
        kinds: of the method.
        said: of those that have learned something: all, or none.
        tensors: of the file, by their names.
        classes: K.

    Raises:
        ValueError: tensors that are missing, too many, of other shapes, or no numbers.
    """
    made = []
    for i, (kind, settings) in enumerate(zip(kinds, said, strict=False)):
        prefix = _prefix(i)
        own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        made.append(_read(kind, settings, own, classes, backbone))
    over = sorted(name for name in tensors if not name.startswith(tuple(map(_prefix, range(len(said))))))
    if over:
        raise ValueError(f"it holds a head, of which they say nothing ({', '.join(over)})")
    return tuple(made)


def _read(kind: str, said: BranchSettings, tensors: Mapping[str, Tensor], classes: int, backbone: Backbone) -> Branch:
    how = KINDS[kind]
    mix = Mix(said.weight, said.temperature)
    if said.names and not how.names:
        raise ValueError(f"it is drawn to the names of the classes, which a head of {kind} is not")
    wanted = {*_SUMS, *(_FORM if how.keeps_form else ()), *(_SHOTS if said.shots else ())}
    wanted |= {_TEXTS} if said.names else set()
    if wanted != set(tensors):
        raise ValueError(f"it holds {sorted(tensors)} of the head, but {sorted(wanted)} are needed")
    width = backbone.feature_sizes[-1] if how.extra is None else math.isqrt(tensors["scatter"].numel())
    counts, sums, scatter = (_numbers(tensors, name).double() for name in _SUMS)
    if (counts.shape, sums.shape, scatter.shape) != ((classes,), (classes, width), (width, width)):
        raise ValueError(f"the head's sums are not of {classes} classes and {width} values")
    if not torch.equal(counts, counts.round().clamp_min(0)) or int((counts > 0).sum()) < 2:
        raise ValueError("the head's counts are not those of shots of two classes or more")
    of_shots = ShotSums(counts, sums, scatter)
    shots = _shots(tensors, said.shots, counts, width) if said.shots else None
    if not how.keeps_form:
        texts = _numbers(tensors, _TEXTS).float() if said.names else None
        if texts is not None and texts.shape != (classes, width):
            raise ValueError(f"the texts of the head's names are not of {classes} classes and {width} values")
        return Branch(kind, of_shots, how.fit(of_shots, None, texts), mix, shots, texts)
    form = LinearForm(*(_numbers(tensors, name).double() for name in _FORM))
    known = int(of_shots.known.sum())
    if (form.weights.shape, form.bias.shape) != ((known, width), (known,)):
        raise ValueError(f"the head's weights are not of {known} classes and {width} values")
    return Branch(kind, of_shots, form, mix, shots)


def _numbers(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    found = tensors[name]
    if not found.is_floating_point() or not torch.isfinite(found).all():
        raise ValueError(f"the head's {name} hold values that are not finite numbers")
    return found


def _shots(tensors: Mapping[str, Tensor], count: int, counts: Tensor, width: int) -> KeptShots:
    features, labels = _numbers(tensors, _SHOTS[0]).float(), tensors[_SHOTS[1]]
    right = features.ndim == 3 and features.shape[1] > 0 and (len(features), features.shape[-1]) == (count, width)
    if not right or labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(f"the head's shots are not {count} of {width} values with a class each")
    if int(labels.min()) < 0 or not torch.equal(labels.bincount(minlength=len(counts)).double(), counts):
        raise ValueError("the classes of the head's shots are not those that were counted")
    return KeptShots(features, labels)
