"""How branches and the prompts become one answer: the mean of all, as log-probabilities, with a weight for each.

Shapes: m held-out shots, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.model.calibration import fit_temperature
from gallop.setting import number_between

ENOUGH_SHOTS = 4
"""Of every class, for a weight and a temperature to be chosen on held-out ones; otherwise the usual ones are used."""

SPREAD = 0.2
"""How far a chosen weight is from the usual one, as a standard deviation: few held-out shots determine it poorly."""


@dataclass(frozen=True)
class Mix:
    """How a branch's scores h and the prompts' scaled cosines z are mixed: ``(1 - weight) z + weight h / temperature``.

    Attributes:
        weight: of the branch, from 0 to 1; one half is the plain mean of log-probabilities.
        temperature: divides the branch's scores, which makes them as sharp as the prompts' logits.
    """

    weight: float
    temperature: float

    def __post_init__(self) -> None:
        number_between("weight", self.weight, 0, 1)
        number_between("temperature", self.temperature, 1e-9, 1e9)


UNMIXED = Mix(0.5, 1.0)
"""The mix that leaves a branch's scores as its form computes them."""


def mixed(prompts: Tensor, branches: Sequence[Tensor], mixes: Sequence[Mix]) -> Tensor:
    """Return the logits of all (..., K): of the prompts' scaled cosines and each branch's scores (..., K)."""
    parts = ((mix.weight / mix.temperature) * scores for scores, mix in zip(branches, mixes, strict=True))
    return sum(parts, (1 - sum(mix.weight for mix in mixes)) * prompts)


def choose_mixes(
    prompts: Tensor, branches: Sequence[Tensor], labels: Tensor, usual: Sequence[Mix]
) -> tuple[list[Mix], float]:
    """Return the mixes for held-out shots, and the temperature of the logits that they give.

    A branch's temperature is the one that makes it as sharp as the prompts, each alone as probable as it can be. The
    weights and the temperature of all together then make the labels most probable. Priors pull all of them towards the
    usual values, as in ``fit_temperature``.

    Args:
        prompts: scale x cosines (m, K) of shots that were not trained on.
        branches: scores (m, K) of at least one that did not see them.
        labels: class indices (m,).
        usual: the mixes to which the priors pull.
    """
    from scipy.optimize import minimize

    prompts, branches = prompts.double(), [scores.double() for scores in branches]
    sharpness = fit_temperature(prompts, labels)
    temperatures = [
        fit_temperature(scores / mix.temperature, labels) * mix.temperature / sharpness
        for scores, mix in zip(branches, usual, strict=True)
    ]
    apart = torch.stack([scores / unit for scores, unit in zip(branches, temperatures, strict=True)]) - prompts
    centre = torch.tensor([mix.weight for mix in usual], dtype=torch.float64)

    def loss(
        point: np.ndarray[tuple[int], np.dtype[np.float64]],
    ) -> tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        at = torch.from_numpy(point).requires_grad_()
        logits = (prompts + torch.einsum("b,bmk->mk", at[:-1], apart)) / at[-1].exp()
        value = F.cross_entropy(logits, labels, reduction="sum")
        value = value + at[-1].square() / 2 + ((at[:-1] - centre) / SPREAD).square().sum() / 2
        (gradient,) = torch.autograd.grad(value, at)
        return float(value.detach()), gradient.numpy()

    bounds = [*((0.0, float(most)) for most in centre / centre.sum()), (math.log(0.05), math.log(20.0))]
    minimum = minimize(loss, np.array([*centre, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    *weights, temperature = map(float, minimum.x)
    return [Mix(*each) for each in zip(weights, temperatures, strict=True)], math.exp(temperature)
