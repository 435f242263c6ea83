"""Out-of-distribution (OOD) scores: pure functions, larger = more outlier.

Scores are taken of cosines averaged over prompts, with a softmax over the classes at temperature 1 and without the
logit scale. They depend on the class list. Shapes: B images, K classes, R regions. Nothing here loads torch: the
command line's help names the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any  # hints are worked out (typing.get_type_hints) without loading torch


@dataclass(frozen=True)
class Cosines:
    """What scores are computed from, with the results that several of them share.

    Attributes:
        global_: cosines averaged over global prompts, (B, K).
        regions: cosines of each region averaged over local prompts, (B, R, K). No top-k here.
    """

    global_: Tensor
    regions: Tensor

    @cached_property
    def max_softmax(self) -> Tensor:
        """The maximum over the classes of the photo's softmax, (B,)."""
        return self.global_.softmax(dim=-1).amax(dim=-1)

    @cached_property
    def max_region_softmax(self) -> Tensor:
        """The maximum over the regions and the classes of each region's softmax, (B,)."""
        return self.regions.softmax(dim=-1).amax(dim=(1, 2))


def mcm(cosines: Cosines) -> Tensor:
    """Return minus the maximum softmax of the photo, (B,)."""
    return -cosines.max_softmax


def l_mcm(cosines: Cosines) -> Tensor:
    """Return minus the maximum softmax of any region, (B,)."""
    return -cosines.max_region_softmax


def gl_mcm(cosines: Cosines) -> Tensor:
    """Return the sum of MCM and L-MCM, (B,) (paper, section 4.3)."""
    return mcm(cosines) + l_mcm(cosines)
