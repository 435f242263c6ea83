"""From similarities and a rule to answers: the one place of the ensemble's formula and of the verdict, in torch alone.

Shapes: B images, K classes, M global and N local prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from gallop.core.cosines import ensemble
from gallop.model.scores import VERDICT
from gallop.model.similarities import Similarities

GLOBAL, LOCAL = "global", "local"
"""Either kind of prompts among the parts of a score; the other parts are branches, by their kinds."""

Pooling = Callable[[Tensor, Sequence[int]], Tensor]
"""(region cosines (B, R, K, N), topk) -> local logits (B, K, N)"""


@dataclass(frozen=True)
class Rule:
    """How similarities become answers.

    Attributes:
        topk: k of each local prompt, (N).
        scale: exp(logit_scale) of the backbone.
        temperature: divides the logits of probabilities; 1 is the paper's.
        threshold: GL-MCM above it is "none of these"; None gives no verdict.
        own: of a model of one class and "something else", the index of that class; None for all other models.
        sure: of such a model, the probability of the class below which the answer is no, and that from which on it is
            yes. Between them it is unsure.
        pooling: what pools the regions in place of the mean of the top-k; None is that mean.
    """

    topk: tuple[int, ...] = ()
    scale: float = 1.0
    temperature: float = 1.0
    threshold: float | None = None
    own: int | None = None
    sure: tuple[float, float] | None = None
    pooling: Pooling | None = None

    def verdict(self, outlier: Any, probabilities: Any) -> Any:
        """Return whether an image is "none of these", (B,); of a model of one class whether the answer is unsure; None
        where nothing decides.

        Args:
            outlier: GL-MCM (B,), a tensor or an array.
            probabilities: of the ensemble, (B, K).
        """
        if self.own is not None and self.sure is not None:
            likely = probabilities[:, self.own]
            return (likely >= self.sure[0]) & (likely < self.sure[1])
        return None if self.threshold is None else outlier > self.threshold

    def probabilities(self, scores: Tensor) -> Tensor:
        """Return the probabilities (..., K) of scores in the unit of cosines."""
        return (scores * (self.scale / self.temperature)).softmax(dim=-1)


@dataclass(frozen=True)
class Answers:
    """Answers to B images, and what they are made of.

    Attributes:
        similarities, rule: what they follow from. The former have the OOD scores, and the scores of each branch.
        global_: cosines (B, K, M) of the global prompts, the mean over the looks.
        local: pooled regions (B, K, N) of the local prompts, the mean over the looks.
    """

    similarities: Similarities
    rule: Rule
    global_: Tensor
    local: Tensor

    @property
    def prompts(self) -> Tensor:
        """Return the scores (B, K) of the prompts without the branches."""
        return ensemble(self.global_, self.local)

    @cached_property
    def scores(self) -> Tensor:
        """Return the scores (B, K) of the ensemble, in the unit of cosines: the mean of both kinds of prompts (paper,
        section 3) by the prompts' weight, and each branch by its own.
        """
        weights = self.similarities.branch_weights
        branches = (weights[name] * scores for name, scores in self.similarities.branch_scores.items())
        return sum(branches, prompts_weight(weights) * ensemble(self.global_, self.local))

    @property
    def kinds(self) -> dict[str, Tensor]:
        """Return the scores (B, K) of either kind of prompts and of each branch, each alone."""
        local = {LOCAL: self.local.mean(dim=-1)} if self.rule.topk else {}
        return {GLOBAL: self.global_.mean(dim=-1), **local, **self.similarities.branch_scores}

    @property
    def parts(self) -> dict[str, Tensor]:
        """Return what either kind of prompts and each branch adds to the score, (B, K); their sum is ``scores``."""
        return {name: self.weights[name] * scores for name, scores in self.kinds.items()}

    @property
    def weights(self) -> dict[str, float]:
        """Return the weight in the score of each of ``kinds``."""
        prompts, branches = prompts_weight(self.similarities.branch_weights), self.similarities.branch_weights
        return ({GLOBAL: prompts / 2, LOCAL: prompts / 2} if self.rule.topk else {GLOBAL: prompts}) | dict(branches)

    @cached_property
    def probabilities(self) -> Tensor:
        """Return the probabilities (B, K) of the ensemble."""
        return self.rule.probabilities(self.scores)

    @property
    def labels(self) -> Tensor:
        """Return the index of the most probable class, (B,)."""
        return self.probabilities.argmax(dim=-1)

    @property
    def verdict(self) -> Tensor | None:
        """Return ``Rule.verdict`` of the images, (B,)."""
        verdict: Tensor | None = self.rule.verdict(self.similarities.ood[VERDICT], self.probabilities)
        return verdict


def answers(similarities: Similarities, rule: Rule) -> Answers:
    """Return the answers to all images of ``similarities``, on their device.

    Raises:
        ValueError: not one k for each local prompt.
    """
    local = similarities.mean(lambda look: look.pooled(rule.topk, rule.pooling))
    return Answers(similarities, rule, similarities.image_cosines, local)


def prompts_weight(branch_weights: Mapping[str, float]) -> float:
    """Return the weight of the prompts in a score: what the branches leave."""
    return 1 - sum(branch_weights.values())
