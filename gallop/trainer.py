"""The training loop: it knows no CLIP, yields after every step, and can be stopped at any of them.

SGD with momentum and a cosine that falls by epoch (paper, section 4). Parameters are changed in place, so whoever
stops listening keeps what has been learned so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.config import TrainConfig
from gallop.losses import Loss


class TrainingDiverged(RuntimeError):
    """The loss stopped being a number; the parameters are as they were before that step."""


@dataclass(frozen=True)
class StepResult:
    """What a step's loss function returns: the loss, and which of its images each branch got right, (B,) booleans.

    ``correct_local`` is None where there are no local prompts.
    """

    loss: Loss
    correct: Tensor
    correct_global: Tensor
    correct_local: Tensor | None
    kept: Tensor


@dataclass(frozen=True)
class StepEvent:
    """One step. ``step`` counts from 1 to ``steps``; accuracies are shares of the batch, in [0, 1].

    ``kept`` (B, kept) are the global prompts that prompt dropout left for each image of the batch, and ``images`` (B,)
    which images those were.
    """

    step: int
    steps: int
    epoch: int
    end_of_epoch: bool
    lr: float
    loss: float
    loss_global: float
    loss_local: float
    accuracy: float
    accuracy_global: float
    accuracy_local: float | None
    kept: Tensor
    images: Tensor


@dataclass(frozen=True)
class TrainState:
    """Where a training stands between two epochs: with it, it goes on as if it had never stopped."""

    epoch: int
    parameters: list[Tensor]
    momentum: list[Tensor]
    generator: Tensor


LossFunction = Callable[[Tensor, int, torch.Generator], StepResult]
"""(indices of the images (B,), epoch, generator for prompt dropout) -> result"""


class Trainer:
    """Runs ``config.epochs`` passes over ``count`` images.

    Args:
        parameters: the tensors to learn; changed in place.
        compute: loss of a batch.
        count: n, how many images there are.
        config: learning rate, batch size and the like.
    """

    def __init__(self, parameters: Sequence[Tensor], compute: LossFunction, count: int, config: TrainConfig) -> None:
        self._parameters = [p for p in parameters if p.numel()]
        self._compute = compute
        self._count = count
        self._config = config
        self._optimizer = torch.optim.SGD(
            self._parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        self._epoch = 0
        self.steps = config.epochs * math.ceil(count / config.batch_size)

    def run(self) -> Iterator[StepEvent]:
        """Train, yielding after each step.

        Raises:
            TrainingDiverged: the loss of a step is not finite.
        """
        per_epoch = math.ceil(self._count / self._config.batch_size)
        for epoch in range(self._epoch, self._config.epochs):
            lr = self._set_lr(epoch)
            order = torch.randperm(self._count, generator=self._generator)
            for number, images in enumerate(torch.split(order, self._config.batch_size)):  # the short last one too
                result = self._step(images, epoch)
                step = epoch * per_epoch + number + 1
                last = number == per_epoch - 1
                self._epoch = epoch + last
                yield _event(result, step=step, steps=self.steps, epoch=epoch, last=last, lr=lr, images=images)

    def _set_lr(self, epoch: int) -> float:
        lr = 0.5 * self._config.lr * (1 + math.cos(math.pi * epoch / self._config.epochs))
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        return lr

    def _step(self, images: Tensor, epoch: int) -> StepResult:
        result = self._compute(images, epoch, self._generator)
        before = [p.detach().clone() for p in self._parameters]
        if torch.isfinite(result.loss.total):
            self._optimizer.zero_grad(set_to_none=True)
            result.loss.total.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            if all(torch.isfinite(p).all() for p in self._parameters):
                return result
        # A finite loss may still have a gradient that is not, or a step that overflows.
        with torch.no_grad():
            for parameter, value in zip(self._parameters, before, strict=True):
                parameter.copy_(value)
        raise TrainingDiverged(
            f"The loss is {float(result.loss.total.detach())} in epoch {epoch + 1} and the step from there leads to no "
            "numbers; the prompts are as they were before it. Try a smaller learning rate."
        )

    def state(self) -> TrainState:
        """A copy of all that the rest of the training depends on; take it after an event with ``end_of_epoch``."""
        buffers = (self._optimizer.state[p].get("momentum_buffer") for p in self._parameters)
        momentum = [torch.zeros_like(p) if b is None else b for p, b in zip(self._parameters, buffers, strict=True)]
        return TrainState(
            epoch=self._epoch,
            parameters=[p.detach().cpu().clone() for p in self._parameters],
            momentum=[m.detach().cpu().clone() for m in momentum],
            generator=self._generator.get_state(),
        )

    def restore(self, state: TrainState) -> None:
        """Go on from ``state``.

        Raises:
            ValueError: a state of another training (sizes or number of tensors differ).
        """
        shapes = [p.shape for p in self._parameters]
        if [t.shape for t in state.parameters] != shapes or [t.shape for t in state.momentum] != shapes:
            raise ValueError("The saved training has prompts of other sizes; it cannot be resumed with these settings.")
        for parameter, value, momentum in zip(self._parameters, state.parameters, state.momentum, strict=True):
            with torch.no_grad():
                parameter.copy_(value)
            self._optimizer.state[parameter]["momentum_buffer"] = momentum.to(parameter.device).clone()
        self._generator.set_state(state.generator)
        self._epoch = state.epoch


def _event(
    result: StepResult, *, step: int, steps: int, epoch: int, last: bool, lr: float, images: Tensor
) -> StepEvent:
    return StepEvent(
        step=step,
        steps=steps,
        epoch=epoch,
        end_of_epoch=last,
        lr=lr,
        loss=float(result.loss.total.detach()),
        loss_global=float(result.loss.global_.detach()),
        loss_local=float(result.loss.local.detach()),
        accuracy=_share(result.correct),
        accuracy_global=_share(result.correct_global),
        accuracy_local=None if result.correct_local is None else _share(result.correct_local),
        kept=result.kept,
        images=images,
    )


def _share(correct: Tensor) -> float:
    return float(correct.float().mean())
