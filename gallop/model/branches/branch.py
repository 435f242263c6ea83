"""What answers beside the prompts: a linear form of the mean region, trained on shots in milliseconds.

Where a photo has a second look, the form is of the mean over the looks of each look's mean region, so that its score
is the mean of both looks' maps. That was as good as any other way on the train folders of eight sets; a form that is
trained on one look and evaluated on both loses two to three points at 12 and 8 shots, so it is trained on both.

Shapes: B images, K classes, R regions, M global prompts, n shots, S views of each, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.backbones import Backbone
from gallop.errors import ConfigError
from gallop.features.encoding import Extra, ImageFeatures
from gallop.model.branches.forms import LinearForm
from gallop.model.branches.kinds import KINDS, PENALTY, Kind, region_features
from gallop.model.branches.mix import Mix
from gallop.model.branches.sums import ShotFeatures, ShotSums, mean_region
from gallop.setting import require

# How far sums of the same shots of one class may be apart, and further with each shot. Stored in half precision a
# feature of length 1 is moved by 6e-5; the rest is tolerance for other machines. The nearest two of 1,408 photos of one
# class were 0.34 apart (both on ``mini``).
_NEAR, _ROUNDED = 0.02, 0.001

TextsOf: TypeAlias = Callable[[Sequence[str]], Tensor]
"""The text features of names, (K, D) of length 1 on the CPU."""


@dataclass(frozen=True)
class ShotVotes:
    """A branch's scores of one photo, (K,), in the unit of cosines: ``shots`` summed over the shots, plus ``rest``.

    Attributes:
        shots: (n, K) the contribution of each shot to the score of each class: large where the other shots predict it
            badly and it is like the photo.
        rest: (K,) the part of no shot: from the fraction of each class among them, and the text features of the names.
        labels: (n,) class indices of the shots.
        named: whether all names contribute; where weights are drawn to zero only those of classes without shots do.
    """

    shots: Tensor
    rest: Tensor
    labels: Tensor
    named: bool

    def strongest(self, class_index: int, count: int) -> list[int]:
        """Return the shots with the largest contributions for or against a class, the largest first."""
        return self.shots[:, class_index].abs().argsort(descending=True, stable=True)[:count].tolist()


@dataclass(frozen=True)
class Branch:
    """What was learned from the shots of K classes, at least two of which have some.

    Attributes:
        kind: a name of ``KINDS``, which is the name of the branch, too.
        sums: of all shots.
        form: of the classes that have shots, in their order.
        mix: with the prompts.
        shots: features of single shots, while they are stored: without them no class can be removed, and ridge
            regression cannot tell which of them voted.
        texts: (K, D) features of the names, of length 1, to whose directions ridge regression draws its weights; None
            of other kinds, and of models from before it did.
    """

    kind: str
    sums: ShotSums
    form: LinearForm
    mix: Mix
    shots: ShotFeatures | None = None
    texts: Tensor | None = None

    @property
    def how(self) -> Kind:
        """Its kind."""
        return KINDS[self.kind]

    @staticmethod
    def of(
        kind: str,
        shots: ShotFeatures,
        classes: int,
        mix: Mix | None = None,
        texts: Tensor | None = None,
        *,
        balanced: bool = False,
    ) -> Branch | None:
        """Return the branch of some shots; None where fewer than two of the classes have any, so that it cannot learn.

        Args:
            classes: K.
            mix: the usual one where it is None.
            texts: features of the names, (K, D) of length 1.
            balanced: each class has the same weight, whatever its number of shots.
        """
        how, sums = KINDS[kind], ShotSums.of(shots, classes, balanced=balanced)
        texts = texts if how.names else None
        if int(sums.known.sum()) < 2:
            return None
        return Branch(kind, sums, how.fit(sums, shots, texts), mix or how.usual, shots, texts)

    def relearned(self, shots: ShotFeatures, classes: int, mix: Mix | None = None) -> Branch | None:
        """Return the same of other shots of its classes, as ``of`` does."""
        return Branch.of(self.kind, shots, classes, mix, self.texts, balanced=self.sums.balanced)

    def learned(self, shots: ShotFeatures) -> Branch:
        """Return it with further shots of its classes.

        Raises:
            ConfigError: classes are balanced, and the earlier shots were not saved.
        """
        together = None if self.shots is None else self.shots.append(shots)
        require(
            together is not None or not self.sums.balanced,
            "This head cannot learn from more shots: with balanced classes it is trained on all shots together, and "
            "the earlier shots were not saved with this model. Call recall_shots with the photos of the earlier shots. "
            "A head without balanced classes does not need them.",
        )
        classes = len(self.sums.counts)
        sums = (
            ShotSums.of(together, classes, balanced=True)
            if together is not None and self.sums.balanced
            else self.sums + ShotSums.of(shots, classes)
        )
        return replace(self, sums=sums, form=self.how.fit(sums, together, self.texts), shots=together)

    def learned_from(self, shots: ShotFeatures) -> bool:
        """Return whether these are the shots that it has learned from: as many of each class, and the same sums except
        for rounding by another machine or format.
        """
        sums = ShotSums.of(shots, len(self.sums.counts))
        near = (sums.sums - self.sums.sums).norm(dim=1) <= _NEAR + _ROUNDED * self.sums.counts
        return torch.equal(sums.counts, self.sums.counts) and bool(near.all())

    def for_classes(self, before: Sequence[str], after: Sequence[str], texts_of: TextsOf) -> Branch | None:
        """Return it for another class list: classes that it knows still have their shots, others have none.

        None where fewer than two of the classes have any.

        Args:
            texts_of: returns the features of names that are new, where weights are drawn to them.

        Raises:
            ConfigError: names were removed or moved, and the shots, without which sums cannot be split, were not saved.
        """
        texts = self._texts(before, after, texts_of)
        if tuple(after[: len(before)]) == tuple(before):
            more = len(after) - len(before)  # which have no shots yet
            counts, sums = F.pad(self.sums.counts, (0, more)), F.pad(self.sums.sums, (0, 0, 0, more))
            return replace(self, sums=replace(self.sums, counts=counts, sums=sums), texts=texts)
        if self.shots is None:
            raise ConfigError(
                "Classes of this model cannot be removed or reordered, because its head only stores sums of its shots. "
                "Call recall_shots with the photos that the head was trained on, or train again with the new class "
                "list. To avoid this, save models with keep_shots=True."
            )
        number = {name: k for k, name in enumerate(after)}
        now = torch.tensor([number.get(name, -1) for name in before])[self.shots.labels]
        there = now >= 0
        shots = replace(self.shots.take(there), labels=now[there])
        return replace(self, texts=texts).relearned(shots, len(after), self.mix)

    def _texts(self, before: Sequence[str], after: Sequence[str], texts_of: TextsOf) -> Tensor | None:
        if self.texts is None:
            return None
        by_name = dict(zip(before, self.texts, strict=True))
        new = [name for name in after if name not in by_name]
        if new:
            by_name |= zip(new, texts_of(new), strict=True)
        return torch.stack([by_name[name] for name in after])

    def complete(self, text: Tensor) -> LinearForm:
        """Return the form of all K classes less its mean over them: no probability changes, and evidence for a class is
        positive.

        A class without shots gets the mean of the others' weights plus the direction of its text, as far from the mean
        as theirs are, where texts and weights agree in the others at all. On the mean of the shots its score is theirs.
        Of the classes of eight sets, one at a time without shots, the head alone then recognised more than half of the
        photos (ridge, with 12 shots or 1 of each other class).

        Args:
            text: features of the classes (K, M, D) after the global prompts.
        """
        known, weights, bias = self.sums.known, self.form.weights, self.form.bias
        if not known.all():
            mean = weights.mean(dim=0)
            pulled = mean.new_zeros(len(known), len(mean))  # of features that no text is compared with
            if self.how.extra is None:
                texts = F.normalize(text.detach().cpu().double(), dim=-1).mean(dim=1)
                texts = texts - texts[known].mean(dim=0)
                apart = weights - mean
                alike = bool((texts[known] * apart).sum() > 0)
                pulled = texts * (apart.norm() / texts[known].norm() if alike else 0.0)
            weights, bias = mean + pulled, bias.mean() - pulled @ self.sums.mean
            weights[known], bias[known] = self.form.weights, self.form.bias
        return LinearForm(weights - weights.mean(dim=0), bias - bias.mean())

    def on(self, backbone: Backbone, text: Tensor) -> FittedBranch:
        """Return what answers for images of a backbone.

        Args:
            text: features of the classes (K, M, D) after the global prompts.
        """
        form, unit = self.complete(text), backbone.logit_scale * self.mix.temperature
        weights, bias = ((part / unit).float().to(backbone.device) for part in (form.weights, form.bias))
        extra = self.how.extra
        return FittedBranch(weights, bias, backbone.vision.region_projection if extra is None else None, extra)

    def votes(self, photo: Tensor, text: Tensor, scale: float) -> ShotVotes | None:
        """Return the votes of one photo; None where this is not ridge regression, or its shots were not saved.

        With weights W that minimise the squared error of centred features x and targets y plus p |W - T|^2, p (W - T)
        is the sum of (y - W x) x' over all views, each with its fraction and weight: so a score W f is that of the
        names' text features T, plus a sum over shots of their residual y - W x, times their product with f, over p.

        Args:
            photo: its feature (D,), of length 1.
            text: features of the classes (K, M, D) after the global prompts.
            scale: exp(logit_scale) of the backbone.
        """
        if not self.how.votes or self.shots is None:
            return None
        x, labels, known = self.shots.features.double(), self.shots.labels, self.sums.known
        target = F.one_hot(labels, len(known)).double()[:, None, known]  # (n, 1, classes with shots)
        left = (target - self.form(x)) * self.sums.weights[labels, None, None] / x.shape[1]
        near = (x - self.sums.mean) @ (photo.cpu().double() - self.sums.mean)  # (n, S)
        of_known = torch.einsum("ns,nsk->nk", near, left) / PENALTY
        every = of_known.mean(dim=1, keepdim=True).repeat(1, len(known))  # of classes without shots, as their weights
        every[:, known] = of_known
        every -= every.mean(dim=1, keepdim=True)
        unit = scale * self.mix.temperature
        scores = self.complete(text)(photo.cpu().double()) / unit
        return ShotVotes(
            (every / unit).float(), (scores - every.sum(dim=0) / unit).float(), labels, self.texts is not None
        )


@dataclass(frozen=True)
class FittedBranch:
    """A branch in the unit of cosines: ``weights`` (K, D), ``bias`` (K,), the backbone's ``projection`` (V, D) where it
    is linear in the backbone's regions, else the features that it is linear in.
    """

    weights: Tensor
    bias: Tensor
    projection: Tensor | None
    extra: Extra | None

    def __call__(self, looks: Sequence[ImageFeatures], counted: int = 1) -> list[Tensor]:
        """Return its map (B, R, K) of each look at images: each region's contribution, with the bias divided evenly.

        The mean of a map is its score of that look; learned projections have no part in it.

        Args:
            counted: looks that its score is the mean of, which have one length; a further one only gets its map.
        """
        regions, after = [region_features(look, self.extra) for look in looks], self.projection
        pulled = self.weights.T if after is None else after.float() @ self.weights.T
        kept = [regions[:counted]] * counted + [[look] for look in regions[counted:]]
        lengths = [mean_region(some, after).norm(dim=-1).clamp_min(1e-12) for some in kept]
        each = zip(regions, lengths, strict=True)
        return [some.float() @ pulled / length[:, None, None] + self.bias for some, length in each]
