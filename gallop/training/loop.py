"""The training loop: it knows no CLIP, yields after every step, and can be stopped at any of them.

SGD with momentum and a cosine that falls by epoch (paper, section 4); the batches of an epoch are equal, where the code
of the paper's authors drops a short last one (``TrainConfig.batch_size``). Parameters are changed in place, so a caller
that stops early has what was learned so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest
from operator import add
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from gallop.config import TrainConfig
from gallop.core.gallop import Loss
from gallop.errors import CheckpointError, TrainingDiverged, warn_caller
from gallop.parts import ONLY_PROMPTS, registered
from gallop.runtime.tensor_file import read_tensor_file
from gallop.runtime.writing import write_file
from gallop.setting import require

TRAINING = "training.safetensors"
"""The file of an unfinished training in its folder, written at the end of every epoch."""
BATCHES = "equal"
"""How an epoch is cut. Older versions, whose files do not say it, had a short last batch."""
LARGEST_TRAINING = 2**30
"""Bytes: twice the largest prompts."""


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
        local = [result.correct_local for result in results if result.correct_local is not None]
        return StepResult(
            loss=reduce(add, (result.loss for result in results)),
            correct=torch.cat([result.correct for result in results]),
            correct_global=torch.cat([result.correct_global for result in results]),
            correct_local=torch.cat(local) if local else None,
            kept=torch.cat([result.kept for result in results]),
        )


@dataclass(frozen=True)
class StepCount:
    """``step`` of ``steps``, from 1, also called ``done`` of ``total``."""

    step: int
    steps: int

    @property
    def done(self) -> int:
        """Return the steps so far."""
        return self.step

    @property
    def total(self) -> int:
        """Return the steps in all."""
        return self.steps


@dataclass(frozen=True)
class StepEvent(StepCount):
    """One step. ``step`` counts from 1 to ``steps``; accuracies are fractions of the batch, in [0, 1].

    ``kept`` (B, kept) are the global prompts that prompt dropout kept for each image of the batch, and ``images`` (B,)
    are the indices of these images.
    """

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
    stage = "training"

    @property
    def note(self) -> str:
        """Loss and accuracy, for a progress line."""
        return f"epoch {self.epoch + 1}, loss {self.loss:.3f}, accuracy {self.accuracy:.1%}"

    @property
    def metrics(self) -> dict[str, float]:
        """lr, losses and accuracies by name, as loggers take them."""
        values = {
            "lr": self.lr,
            "loss": self.loss,
            "loss_global": self.loss_global,
            "loss_local": self.loss_local,
            "accuracy": self.accuracy,
            "accuracy_global": self.accuracy_global,
            "accuracy_local": self.accuracy_local,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class TrainState:
    """The state of a training between two epochs: with it, the training continues as if it had never stopped."""

    epoch: int
    parameters: list[Tensor]
    momentum: list[Tensor]
    generators: Tensor


def save_training(folder: str | Path, state: TrainState, key: str) -> None:
    """Save an unfinished training, atomically. ``key`` names settings and data: only a training with it resumes it."""
    tensors = {"generators": state.generators}
    for i, (parameter, momentum) in enumerate(zip(state.parameters, state.momentum, strict=True)):
        tensors[f"parameter.{i}"], tensors[f"momentum.{i}"] = parameter.contiguous(), momentum.contiguous()
    content = save(tensors, metadata={"key": key, "epoch": str(state.epoch), "batches": BATCHES})
    write_file(Path(folder) / TRAINING, content)


def load_training(folder: str | Path, key: str) -> TrainState | None:
    """Return the training saved in ``folder``; None when there is none, or, with a warning, one of other batches.

    Raises:
        CheckpointError: it is damaged, or belongs to other settings or other data.
    """
    path = Path(folder) / TRAINING
    if not path.is_file():
        return None
    try:
        file = read_tensor_file(path, LARGEST_TRAINING)
        metadata, tensors = file.metadata, file.tensors()
        count = sum(name.startswith("parameter.") for name in tensors)
        state = TrainState(
            epoch=int(metadata["epoch"]),
            parameters=[tensors[f"parameter.{i}"] for i in range(count)],
            momentum=[tensors[f"momentum.{i}"] for i in range(count)],
            generators=tensors["generators"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Train again without resuming.") from error
    if metadata.get("batches") != BATCHES:
        warn_caller(
            f"The training saved in {folder} was begun by another version of gallop, which cut the photos into other "
            "batches, so training starts anew."
        )
        return None
    if metadata["key"] != key:
        raise CheckpointError(
            f"The training saved in {folder} had different settings, a different backbone or different images. Resume "
            "with the same ones, or train again without resuming."
        )
    return state


def drop_training(folder: str | Path) -> None:
    """Delete the training saved in ``folder``."""
    (Path(folder) / TRAINING).unlink(missing_ok=True)


@dataclass(frozen=True)
class Batch:
    """Some images of one learner: its number, their indices (B,), and its generator for prompt dropout."""

    learner: int
    images: Tensor
    generator: torch.Generator


LossFunction = Callable[[Sequence[Batch], int], StepResult]
"""(a batch for each learner that has images left in the epoch, epoch) -> result"""


class Trainer:
    """Runs ``config.epochs`` passes over the images of one learner, or of several that learn side by side.

    Each has a separate order and separate draws, so that it learns what it would learn alone.

    Args:
        parameters: the tensors to learn, of all learners; changed in place.
        compute: returns the sum of the losses of some batches.
        counts: n, how many images each learner has.
        config: learning rate, batch size and the like.
    """

    def __init__(
        self, parameters: Sequence[Tensor], compute: LossFunction, counts: Sequence[int], config: TrainConfig
    ) -> None:
        self._parameters = [p for p in parameters if p.numel()]
        self._compute = compute
        self._counts = tuple(counts)
        self._config = config
        make_optimizer = registered("optimizer", config.optimizer) or _sgd
        self._optimizer: torch.optim.Optimizer = make_optimizer(self._parameters, config)
        self._schedule = registered("scheduler", config.scheduler) or _cosine
        self._first_rates = [group.get("lr", config.lr) for group in self._optimizer.param_groups]
        self._generators = [torch.Generator().manual_seed(config.seed) for _ in counts]
        self._epoch = 0
        self._per_epoch = max(map(config.batches, counts))
        self.steps = config.epochs * self._per_epoch

    def run(self) -> Iterator[StepEvent]:
        """Train, yielding after each step.

        Raises:
            TrainingDiverged: the loss of a step is not finite.
            ConfigError: the loss has a gradient for other tensors than those to learn.
        """
        for epoch in range(self._epoch, self._config.epochs):
            lr = self._set_lr(epoch)
            for number, batches in enumerate(self._batches()):
                result = self._step(batches, epoch)
                last = number == self._per_epoch - 1
                self._epoch = epoch + last
                loss, local = result.loss, result.correct_local
                yield StepEvent(
                    step=epoch * self._per_epoch + number + 1,
                    steps=self.steps,
                    epoch=epoch,
                    end_of_epoch=last,
                    lr=lr,
                    loss=float(loss.total.detach()),
                    loss_global=float(loss.global_.detach()),
                    loss_local=float(loss.local.detach()),
                    accuracy=_accuracy(result.correct),
                    accuracy_global=_accuracy(result.correct_global),
                    accuracy_local=None if local is None else _accuracy(local),
                    kept=result.kept,
                    images=torch.cat([batch.images for batch in batches]),
                )

    def _batches(self) -> Iterator[list[Batch]]:
        """An epoch in a new order; of each learner the batches that it has alone, and then none."""
        orders = [torch.randperm(n, generator=each) for n, each in zip(self._counts, self._generators, strict=True)]
        for parts in zip_longest(*(order.tensor_split(self._config.batches(len(order))) for order in orders)):
            yield [Batch(i, part, self._generators[i]) for i, part in enumerate(parts) if part is not None]

    def _set_lr(self, epoch: int) -> float:
        factor = self._schedule(epoch, self._config.epochs)
        for group, first in zip(self._optimizer.param_groups, self._first_rates, strict=True):
            group["lr"] = first * factor
        return float(self._first_rates[0] * factor)

    def _step(self, batches: Sequence[Batch], epoch: int) -> StepResult:
        result = self._compute(batches, epoch)
        if not self._optimizer.state:  # before the first step
            require(_learns_only(result.loss.total, self._parameters), ONLY_PROMPTS)
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
            f"Training diverged in epoch {epoch + 1} (loss {float(result.loss.total.detach())}), so the prompts of the "
            "previous step were restored. Lower the learning rate."
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
            generators=torch.stack([generator.get_state() for generator in self._generators]),
        )

    def restore(self, state: TrainState) -> None:
        """Continue from ``state``.

        Raises:
            ValueError: a state of another training (sizes or number of tensors differ).
        """
        shapes = [p.shape for p in self._parameters]
        if [t.shape for t in state.parameters] != shapes or [t.shape for t in state.momentum] != shapes:
            raise ValueError(
                "The saved training cannot be resumed with these settings: its prompts differ in size from the model's."
            )
        for parameter, value, momentum in zip(self._parameters, state.parameters, state.momentum, strict=True):
            with torch.no_grad():
                parameter.copy_(value)
            self._optimizer.state[parameter]["momentum_buffer"] = momentum.to(parameter.device).clone()
        for generator, saved in zip(self._generators, state.generators, strict=True):
            generator.set_state(saved)
        self._epoch = state.epoch


def _learns_only(loss: Tensor, parameters: Sequence[Tensor]) -> bool:
    """Return whether a loss has gradients for these parameters alone."""
    waiting: set[Any] = {loss.grad_fn}
    nodes, known = set[Any](), {id(parameter) for parameter in parameters}
    while waiting:
        nodes |= waiting
        waiting = {before for node in waiting for before, _ in node.next_functions if before is not None} - nodes
    leaves = [node.variable for node in nodes if hasattr(node, "variable")]  # where gradients are accumulated
    return all(id(leaf) in known for leaf in leaves if leaf.numel())


def _sgd(parameters: Sequence[Tensor], config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)


def _cosine(epoch: int, epochs: int) -> float:
    """From 1 to 0, epoch by epoch (paper, section 4)."""
    return 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def _accuracy(correct: Tensor) -> float:
    return float(correct.float().mean())
