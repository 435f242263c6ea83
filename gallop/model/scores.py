"""Class probabilities and out-of-distribution (OOD) scores: pure functions, larger = more outlier.

OOD scores are taken on cosines averaged over prompts, with a softmax over the classes at temperature 1 and without the
logit scale. They depend on the class list. Shapes: B images, K classes, R regions.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

OOD_SCORES = ("MCM", "L-MCM", "GL-MCM")


def class_probabilities(logits: Tensor, scale: float, temperature: float = 1.0) -> Tensor:
    """softmax over K of scale x cosines (B, K) / temperature. Temperature 1 is the paper's; a fitted one calibrates."""
    return (logits * (scale / temperature)).softmax(dim=-1)


@dataclass(frozen=True)
class OODScores:
    """The three scores, each (B,), larger = more outlier."""

    mcm: Tensor
    l_mcm: Tensor
    gl_mcm: Tensor

    def by_name(self) -> dict[str, Tensor]:
        """The scores under the papers' names."""
        return dict(zip(OOD_SCORES, (self.mcm, self.l_mcm, self.gl_mcm), strict=True))


def ood_scores(global_: Tensor, regions: Tensor) -> OODScores:
    """MCM, L-MCM and GL-MCM (Ming et al. 2022; Miyai et al. 2023; paper, section 4.3).

    Args:
        global_: cosines averaged over global prompts, (B, K).
        regions: cosines of each region averaged over local prompts, (B, R, K). No top-k here.
    """
    mcm = -global_.softmax(dim=-1).amax(dim=-1)
    l_mcm = -regions.softmax(dim=-1).amax(dim=(1, 2))
    return OODScores(mcm=mcm, l_mcm=l_mcm, gl_mcm=mcm + l_mcm)
