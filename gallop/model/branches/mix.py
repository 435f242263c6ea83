"""How the head and the prompts become one answer: the mean of both, as log-probabilities, with a weight.

Shapes: m held-out shots, K classes.
"""

from __future__ import annotations

import math
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
    """How a head's scores h and the prompts' scaled cosines z are mixed: ``(1 - weight) z + weight h / temperature``.

    Attributes:
        weight: of the head, from 0 to 1; one half is the plain mean of log-probabilities.
        temperature: divides the head's scores, which makes them as sharp as the prompts' logits.
    """

    weight: float
    temperature: float

    def __post_init__(self) -> None:
        number_between("weight", self.weight, 0, 1)
        number_between("temperature", self.temperature, 1e-9, 1e9)


UNMIXED = Mix(0.5, 1.0)
"""The mix that leaves a head's scores as its form computes them."""


def mixed(prompts: Tensor, head: Tensor, mix: Mix) -> Tensor:
    """Return the logits of both (..., K): of the prompts' scaled cosines and the head's scores (..., K)."""
    return (1 - mix.weight) * prompts + (mix.weight / mix.temperature) * head


def choose_mix(prompts: Tensor, head: Tensor, labels: Tensor, usual: Mix) -> tuple[Mix, float]:
    """Return the mix for held-out shots, and the temperature of the logits that it gives.

    The head's temperature is the one that makes it as sharp as the prompts, each alone as probable as it can be. The
    weight and the temperature of both together then make the labels most probable. Priors pull all of them towards the
    usual values, as in ``fit_temperature``.

    Args:
        prompts: scale x cosines (m, K) of shots that were not trained on.
        head: its scores (m, K), learned without these shots.
        labels: class indices (m,).
        usual: the mix to which the priors pull.
    """
    from scipy.optimize import minimize

    prompts, head = prompts.double(), head.double()
    temperature = fit_temperature(head / usual.temperature, labels) * usual.temperature
    temperature /= fit_temperature(prompts, labels)
    apart = head / temperature - prompts

    def loss(
        point: np.ndarray[tuple[int], np.dtype[np.float64]],
    ) -> tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        at = torch.from_numpy(point).requires_grad_()
        value = F.cross_entropy((prompts + at[0] * apart) / at[1].exp(), labels, reduction="sum")
        value = value + at[1].square() / 2 + ((at[0] - usual.weight) / SPREAD).square() / 2
        (gradient,) = torch.autograd.grad(value, at)
        return float(value.detach()), gradient.numpy()

    bounds = [(0.0, 1.0), (math.log(0.05), math.log(20.0))]
    minimum = minimize(loss, np.array([usual.weight, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return Mix(float(minimum.x[0]), temperature), math.exp(float(minimum.x[1]))
