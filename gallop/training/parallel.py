"""The processes of one training, as each of them sees it: what the trainer asks of the engine, Lightning Fabric.

Every process goes through the same batches with the same draws, and answers for its own images of each: their features
are encoded and kept by it alone. Losses are weighted by their share of the batch and gradients are summed, so that the
prompts are those of one process within rounding, and momentum and weight decay act once. Where there are class names
enough, each encodes its share of them and has the others' text features from those who did.

``gallop.training.launch`` starts them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gallop.core.gallop import Loss
from gallop.errors import ParallelError, ProcessLeft, is_gpu_trouble
from gallop.training.loop import Alone, StepResult


class Here(Alone):
    """The only process, as ``launch`` gives it to a function where one is enough."""

    def __init__(self, device: str) -> None:
        self.device = device


class Processes:
    """This process among all of a training: what ``launch`` gives to a function, and what ``fit_steps`` takes.

    Attributes:
        rank: 0 is the one that tells and saves.
        processes: how many there are.
        device: of this process: "cpu", or a GPU of its own, such as "cuda:1".
    """

    def __init__(self, fabric: Any) -> None:
        self.rank: int = fabric.global_rank
        self.processes: int = fabric.world_size
        self.device = str(fabric.device)

    def go_on(self) -> None:
        """Agree with all others to go on.

        Raises:
            ProcessLeft: one of them has left.
        """
        if self._sum(torch.zeros(1)).item() > 0:
            raise ProcessLeft("Another process has stopped listening to the training.")

    def leave(self) -> None:
        """Tell the others that nobody listens here any more."""
        with contextlib.suppress(ParallelError):  # they may have gone already
            self._sum(torch.ones(1))

    def gather(self, part: Tensor, rows: int) -> Tensor:
        """Return all ``rows`` of a tensor of which each process has computed every ``processes``-th; gradients flow
        back.
        """
        found: Tensor = _Gather.apply(part, self, rows)  # type: ignore[no-untyped-call]
        return found

    def whole(self, result: StepResult) -> StepResult:
        """Return the sum of all parts, without gradients."""
        loss, images = result.loss, len(result.correct)
        answers = [result.correct, result.correct_global]
        if result.correct_local is not None:
            answers.append(result.correct_local)
        terms = torch.stack([loss.total.detach(), loss.global_.detach(), loss.local.detach()])
        found = self._sum(torch.cat([terms.double(), *(answer.double() for answer in answers)]))
        total, global_, local = found[:3].unbind()
        right = [answer > 0 for answer in found[3:].reshape(len(answers), images)]
        return replace(
            result,
            loss=Loss(total, global_, local),
            correct=right[0],
            correct_global=right[1],
            correct_local=right[2] if len(right) > 2 else None,
        )

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """The gradient of the whole batch, in every process; None where no process has one."""
        given = torch.tensor([0.0 if p.grad is None else 1.0 for p in parameters], device=self.device)
        parts = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
        found = self._sum(torch.cat([given, *parts]))
        counts, rest = found[: len(parameters)], found[len(parameters) :]
        end = 0
        for p, count in zip(parameters, counts.tolist(), strict=True):
            start, end = end, end + p.numel()
            p.grad = rest[start:end].view_as(p) if count else None

    def _sum(self, values: Tensor) -> Tensor:
        """Over the processes; every one must ask for it, with as many values."""
        values = values.to(self.device)
        try:
            # On the engine's group, but not by its own function, which waits for everybody before each sum.
            torch.distributed.all_reduce(values)
        except RuntimeError as error:  # what gloo and nccl raise
            if is_gpu_trouble(error):
                raise  # of this process' own GPU
            raise ParallelError("Another process of the training was lost.") from error
        return values


class _Gather(torch.autograd.Function):
    """Rows of all processes; backward, each gets the gradients that all have for its own."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, among: Processes, rows: int) -> Tensor:
        ctx.among = among
        whole = part.new_zeros(rows, *part.shape[1:])
        whole[among.rank :: among.processes] = part
        return among._sum(whole)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        among = ctx.among
        return among._sum(gradients[0].contiguous())[among.rank :: among.processes], None, None
