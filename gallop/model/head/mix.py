"""How a head and the prompts become one answer: the mean of both, as log-probabilities, with a weight.

Shapes: m held-out shots, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.config import HeadKind
from gallop.model.calibration import fit_temperature
from gallop.setting import number_between

ENOUGH_SHOTS = 4
"""Of every class, for a weight and a temperature to be chosen on held-out ones; the usual ones stand in for them."""

SPREAD = 0.2
"""How far from the usual weight a chosen one lies, as a standard deviation: few held-out shots say little about it."""


@dataclass(frozen=True)
class Mix:
    """What a head's scores h do beside the prompts' scaled cosines z: ``(1 - weight) z + weight h / temperature``.

    Attributes:
        weight: of the head, from 0 to 1; one half is the plain mean of log-probabilities.
        temperature: divides the head's scores, which makes them as sharp as the prompts' logits.
    """

    weight: float
    temperature: float

    def __post_init__(self) -> None:
        number_between("weight", self.weight, 0, 1)
        number_between("temperature", self.temperature, 1e-9, 1e9)

    def __call__(self, prompts: Tensor, head: Tensor) -> Tensor:
        """Return the logits of both (..., K)."""
        return (1 - self.weight) * prompts + (self.weight / self.temperature) * head


UNMIXED = Mix(0.5, 1.0)
"""With which a head's scores stay as its form has them."""

USUAL: dict[HeadKind, Mix] = {
    "discriminant": Mix(0.5, 50.0),
    "ridge": Mix(0.5, 0.08),
    "logistic": Mix(0.5, 0.4),
}
"""Where no shots are held out. Chosen by cross-validation inside train folders, on ``mini``: benchmarks/choosing prints
the figures."""


def choose_mix(prompts: Tensor, head: Tensor, labels: Tensor, usual: Mix) -> tuple[Mix, float]:
    """Return the mix for held-out shots, and the temperature of the logits that it gives.

    The head's temperature is the one that makes it as sharp as the prompts, each alone as probable as it can be. Weight
    and temperature of both together then make the labels most probable. Priors hold all of them near what is usual, as
    in ``fit_temperature``.

    Args:
        prompts: scale x cosines (m, K) of shots that were not trained on.
        head: scores (m, K) of heads that did not see them.
        labels: class indices (m,).
        usual: what holds where nothing is known.
    """
    prompts, head = prompts.double(), head.double()
    own = fit_temperature(head / usual.temperature, labels) * usual.temperature
    temperature = own / fit_temperature(prompts, labels)
    weight, together = _weight_and_temperature(prompts, head / temperature, labels, usual.weight)
    return Mix(weight, temperature), together


def _weight_and_temperature(prompts: Tensor, head: Tensor, labels: Tensor, usual: float) -> tuple[float, float]:
    from scipy.optimize import minimize

    def loss(
        point: np.ndarray[tuple[int], np.dtype[np.float64]],
    ) -> tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        at = torch.from_numpy(point).requires_grad_()
        logits = ((1 - at[0]) * prompts + at[0] * head) / at[1].exp()
        value = F.cross_entropy(logits, labels, reduction="sum")
        value = value + at[1].square() / 2 + ((at[0] - usual) / SPREAD).square() / 2
        (gradient,) = torch.autograd.grad(value, at)
        return float(value.detach()), gradient.numpy()

    bounds = [(0.0, 1.0), (math.log(0.05), math.log(20.0))]
    found = minimize(loss, np.array([usual, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), math.exp(float(found.x[1]))
