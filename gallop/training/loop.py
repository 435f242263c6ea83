"""The training loop: it knows no CLIP, yields after every step, and can be stopped at any of them.

SGD with momentum and a cosine that falls by epoch (paper, section 4); a short last batch is used, where the paper's own
code drops it (``TrainConfig.batch_size`` says what follows). Parameters are changed in place, so whoever stops
listening keeps what has been learned so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

import torch
from torch import Tensor

from gallop.config import TrainConfig
from gallop.core.gallop import Loss
from gallop.errors import TrainingDiverged


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

    @staticmethod
    def together(results: Sequence[StepResult]) -> StepResult:
        """Return the objective of models that learn side by side: losses added, answers one after the other."""
        if len(results) == 1:
            return results[0]
        local = [found.correct_local for found in results if found.correct_local is not None]
        return StepResult(
            loss=reduce(add, (found.loss for found in results)),
            correct=torch.cat([found.correct for found in results]),
            correct_global=torch.cat([found.correct_global for found in results]),
            correct_local=torch.cat(local) if local else None,
            kept=torch.cat([found.kept for found in results]),
        )


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
    generators: Tensor


@dataclass(frozen=True)
class Batch:
    """Some images of one learner: its number, their indices (B,), and its generator for prompt dropout."""

    learner: int
    images: Tensor
    generator: torch.Generator


LossFunction = Callable[[Sequence[Batch], int], StepResult]
"""(a batch for each learner that has images left in the epoch, epoch) -> result"""


class Parallel(Protocol):
    """Processes that train together. Each goes through the same batches, and its loss function answers for a part of
    every batch: its share of the loss, and of the answers those for its own images (elsewhere they are False).
    """

    rank: int
    processes: int

    def go_on(self) -> None:
        """Agree with all others to go on: before the first step, and after every event. Raises when one has left."""

    def leave(self) -> None:
        """Tell the others, in place of ``go_on``, that nobody listens to this process any more."""

    def gather(self, part: Tensor, rows: int) -> Tensor:
        """Return all ``rows`` of a tensor of which each process has computed every ``processes``-th, with gradients:
        those of all processes reach the rows. Every process must go backward through it.
        """

    def whole(self, result: StepResult) -> StepResult:
        """Return the sum of all parts, without gradients."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """The gradient of the whole batch, in every process, in place of its part's."""


class Alone:
    """One process, whose part is the whole."""

    rank = 0
    processes = 1

    def go_on(self) -> None:
        """Nobody to ask."""

    def leave(self) -> None:
        """Nobody to tell."""

    def gather(self, part: Tensor, rows: int) -> Tensor:
        return part

    def whole(self, result: StepResult) -> StepResult:
        return result

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """They are whole."""


ALONE = Alone()


class Trainer:
    """Runs ``config.epochs`` passes over the images of one learner, or of several that learn side by side.

    Each has an order of its own and draws of its own, so that it learns what it would alone.

    Args:
        parameters: the tensors to learn, of all learners; changed in place.
        compute: the sum of the losses of some batches.
        counts: n, how many images each learner has.
        config: learning rate, batch size and the like.
        parallel: other processes that run the same training; they must give it the same arguments.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        compute: LossFunction,
        counts: Sequence[int],
        config: TrainConfig,
        parallel: Parallel = ALONE,
    ) -> None:
        self._parameters = [p for p in parameters if p.numel()]
        self._compute = compute
        self._counts = tuple(counts)
        self._config = config
        self._parallel = parallel
        self._optimizer = torch.optim.SGD(
            self._parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self._generators = [torch.Generator().manual_seed(config.seed) for _ in counts]
        self._epoch = 0
        self._per_epoch = math.ceil(max(counts) / config.batch_size)
        self.steps = config.epochs * self._per_epoch

    def run(self) -> Iterator[StepEvent]:
        """Train, yielding after each step.

        Raises:
            TrainingDiverged: the loss of a step is not finite.
        """
        self._parallel.go_on()
        try:
            for event in self._steps():
                yield event
                self._parallel.go_on()
        except GeneratorExit:
            self._parallel.leave()
            raise

    def _steps(self) -> Iterator[StepEvent]:
        for epoch in range(self._epoch, self._config.epochs):
            lr = self._set_lr(epoch)
            for number, batches in enumerate(self._batches()):
                result = self._step(batches, epoch)
                step = epoch * self._per_epoch + number + 1
                last = number == self._per_epoch - 1
                self._epoch = epoch + last
                images = torch.cat([batch.images for batch in batches])
                yield _event(result, step=step, steps=self.steps, epoch=epoch, last=last, lr=lr, images=images)

    def _batches(self) -> Iterator[list[Batch]]:
        """An epoch in a new order; the short last batch too, and none of a learner whose images are over."""
        orders = [torch.randperm(n, generator=own) for n, own in zip(self._counts, self._generators, strict=True)]
        for start in range(0, max(self._counts), self._config.batch_size):
            parts = [order[start : start + self._config.batch_size] for order in orders]
            yield [Batch(i, part, self._generators[i]) for i, part in enumerate(parts) if len(part)]

    def _set_lr(self, epoch: int) -> float:
        lr = 0.5 * self._config.lr * (1 + math.cos(math.pi * epoch / self._config.epochs))
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        return lr

    def _step(self, batches: Sequence[Batch], epoch: int) -> StepResult:
        part = self._compute(batches, epoch)
        result = self._parallel.whole(part)
        before = [p.detach().clone() for p in self._parameters]
        if torch.isfinite(result.loss.total):
            self._optimizer.zero_grad(set_to_none=True)
            part.loss.total.backward()  # type: ignore[no-untyped-call]
            self._parallel.sum_gradients(self._parameters)
            self._optimizer.step()
            if all(torch.isfinite(p).all() for p in self._parameters):
                return result
        # A finite loss may still have a gradient that is not, or a step that overflows.
        with torch.no_grad():
            for parameter, value in zip(self._parameters, before, strict=True):
                parameter.copy_(value)
        raise TrainingDiverged(
            f"The loss is {float(result.loss.total.detach())} in epoch {epoch + 1}; the prompts of the step before "
            "were restored. Lower the learning rate."
        )

    def state(self) -> TrainState:
        """Return a copy of all that the rest of the training depends on; take it after an event with
        ``end_of_epoch``.
        """
        buffers = (self._optimizer.state[p].get("momentum_buffer") for p in self._parameters)
        momentum = [torch.zeros_like(p) if b is None else b for p, b in zip(self._parameters, buffers, strict=True)]
        return TrainState(
            epoch=self._epoch,
            parameters=[p.detach().cpu().clone() for p in self._parameters],
            momentum=[m.detach().cpu().clone() for m in momentum],
            generators=torch.stack([own.get_state() for own in self._generators]),
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
        for own, kept in zip(self._generators, state.generators, strict=True):
            own.set_state(kept)
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
