"""Which shots voted: the score of ridge regression as a sum over shots, which is what its dual form is.

Shapes: n shots, S views of each, K classes, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.model.branches.branch import Branch
from gallop.model.branches.kinds import PENALTY


@dataclass(frozen=True)
class ShotVotes:
    """A branch's scores of one photo, (K,), in the unit of cosines: ``shots`` summed over the shots, plus ``rest``.

    Attributes:
        shots: (n, K) what each shot adds to the score of each class: much where it is unlike what the others say of it
            and like the photo.
        rest: (K,) what no shot says: the share of each class among them, and the text features of the names.
        labels: (n,) class indices of the shots.
        named: whether all names say something; where weights are drawn to zero only those of classes without shots do.
    """

    shots: Tensor
    rest: Tensor
    labels: Tensor
    named: bool

    def strongest(self, class_index: int, count: int) -> list[int]:
        """Return the shots that say most for or against a class, the strongest first."""
        return self.shots[:, class_index].abs().argsort(descending=True, stable=True)[:count].tolist()


def shot_votes(branch: Branch, photo: Tensor, text: Tensor, scale: float) -> ShotVotes | None:
    """Return the votes of one photo; None where the branch is no ridge regression, or its shots were not kept.

    With weights W that minimise the squared error of centred features x and targets y plus p |W - T|^2, p (W - T) is
    the sum of (y - W x) x' over all views, each with its share: so a score W f is that of the names' text features T,
    and a sum over shots of what is left of their own targets, times their product with f, over p.

    Args:
        photo: its feature (D,), of length 1.
        text: features of the classes (K, M, D) after the global prompts.
        scale: exp(logit_scale) of the backbone.
    """
    if not branch.how.votes or branch.shots is None:
        return None
    x, labels, known = branch.shots.features.double(), branch.shots.labels, branch.sums.known
    target = torch.nn.functional.one_hot(labels, len(known)).double()[:, None, known]  # (n, 1, classes with shots)
    left = (target - branch.form(x)) / x.shape[1]
    near = (x - branch.sums.mean) @ (photo.cpu().double() - branch.sums.mean)  # (n, S)
    found = torch.einsum("ns,nsk->nk", near, left) / PENALTY
    every = found.mean(dim=1, keepdim=True).repeat(1, len(known))  # of classes without shots, as their weights are
    every[:, known] = found
    every -= every.mean(dim=1, keepdim=True)
    unit = scale * branch.mix.temperature
    scores = branch.complete(text)(photo.cpu().double()) / unit
    return ShotVotes(
        (every / unit).float(), (scores - every.sum(dim=0) / unit).float(), labels, branch.texts is not None
    )
