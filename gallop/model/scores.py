"""The registry of out-of-distribution (OOD) scores, larger = more outlier. Nothing here loads torch: the command
line's help names the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gallop.core.scores import Cosines, gl_mcm, l_mcm, mcm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Numbers = NDArray[np.float32]
else:
    Tensor = Numbers = Any  # hints are worked out (typing.get_type_hints) without loading torch


def msp(probabilities: Numbers) -> Numbers:
    """Return minus the largest of the probabilities (B, K), (B,)."""
    largest: Numbers = probabilities.max(axis=1)
    return -largest


@dataclass(frozen=True)
class OODScore:
    """An entry of the registry: evaluation, help, captions and the benchmark's metrics follow from it.

    Attributes:
        name: the paper's.
        caption: what it looks at, a sentence for people.
        paper: where it is from.
        of_cosines: (B,) of the cosines, for methods whose classes are texts alone.
        of_probabilities: (B,) of probabilities (B, K), for methods that have nothing else.
    """

    name: str
    caption: str
    paper: str
    of_cosines: Callable[[Cosines], Tensor] | None = None
    of_probabilities: Callable[[Numbers], Numbers] | None = None


SCORES = {
    score.name: score
    for score in (
        OODScore("MCM", "MCM looks at the whole photo.", "Ming et al., NeurIPS 2022", mcm),
        OODScore("L-MCM", "L-MCM looks at the photo's best region.", "Miyai et al., arXiv 2304.04521", l_mcm),
        OODScore("GL-MCM", "GL-MCM is the sum of both.", "Miyai et al., arXiv 2304.04521", gl_mcm),
        OODScore(
            "MSP", "MSP looks at the largest probability.", "Hendrycks and Gimpel, ICLR 2017", of_probabilities=msp
        ),
    )
}
"""Every score that a method may have, by name, in the order in which they are shown. A new one goes to the end."""

VERDICT = "GL-MCM"
"""The score that a threshold is set for: above it, a photo is none of the classes."""


def scores_of_probabilities(probabilities: Numbers) -> dict[str, Numbers]:
    """Return every score that is taken of probabilities (B, K), each (B,), by name."""
    return {name: score.of_probabilities(probabilities) for name, score in SCORES.items() if score.of_probabilities}


def captions(names: Iterable[str]) -> str:
    """Return what these scores look at, a sentence each."""
    return " ".join(SCORES[name].caption for name in names)
