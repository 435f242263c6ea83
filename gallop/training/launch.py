"""One training in several processes, on a GPU each or on a CPU, through Lightning Fabric (extra ``distributed``).

    from gallop import GalLoPClassifier
    from gallop.training.launch import launch

    def train(parallel, folder, out):
        clf = GalLoPClassifier("ViT-B-16/openai", preset="paper", device=parallel.device)
        for event in clf.fit_steps(folder, parallel=parallel):
            if parallel.rank == 0:
                print(event)
        if parallel.rank == 0:
            clf.save(out)

    if __name__ == "__main__":  # the processes import this file
        launch(train, "photos", "model", processes=2)

Why Fabric and not Hugging Face Accelerate, which is smaller (one package of 0.4 MB; Fabric brings nine, 15 MB when
installed, none of which touches torch): Accelerate starts processes on CPUs by ``fork`` alone, as a debugging aid,
which is unsafe once torch has threads, and else through a command of its own or MPI. Fabric starts them by ``spawn``
from Python, on CPUs (gloo) and GPUs (nccl) alike, with a free port and threads shared out, ends the others when one
fails, and leaves the loop, which here is a generator of events, to us.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from gallop.backbones import pick_device
from gallop.core.gallop import Loss
from gallop.errors import ParallelError, ProcessLeft, is_gpu_trouble
from gallop.setting import whole_between
from gallop.training.loop import Parallel, StepResult

TIMEOUT = timedelta(minutes=30)
"""The longest that processes wait for one of them, as while it encodes its photos."""

_MOST = 64
_GRACE = 10.0
"""Seconds in which processes may end by themselves after Ctrl-C."""

_OURS = ("MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "RANK", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK")
_RESULT, _FAILURE = "result", "failure"


def launch(function: Callable[..., Any], *arguments: Any, processes: int, device: str = "auto") -> Any:
    """Run ``function(parallel, *arguments)`` in several processes at once; what the first one returns.

    Whatever one of them raises ends the others and is raised here. One that stops listening to its training
    (``fit_steps``) lets the others end in peace. Processes are started anew, so function and arguments must be such as
    ``pickle`` takes, and a script must start its work under ``if __name__ == "__main__"``.

    Args:
        processes: W; 1 runs the function here, without the engine.
        device: "auto" or "cuda", where every process has a GPU of its own, or "cpu".

    Raises:
        ParallelError: the extra is missing, there are fewer GPUs than processes, or a process was killed.
        ConfigError: a number of processes that makes no sense.
        BackboneError: an unknown device, or a GPU that is not there.
    """
    processes = whole_between("processes", processes, 1, _MOST)
    if processes == 1:
        return function(Parallel(device), *arguments)
    fabric = _fabric(processes, device)
    running = set(multiprocessing.active_children())
    with tempfile.TemporaryDirectory(prefix="gallop-") as box, _own_environment():
        try:
            fabric.launch(_Work(function, arguments, box))
        except KeyboardInterrupt:
            _end(set(multiprocessing.active_children()) - running)
            raise (_read(Path(box, _FAILURE)) or KeyboardInterrupt()) from None
        except (ProcessRaisedException, ProcessExitedException) as error:
            how = getattr(error, "signal_name", None) or "without a word"
            lost = ParallelError(
                f"Process {error.error_index + 1} of {processes} of the training ended ({how}); it may have been "
                "killed for want of memory. Nothing of this training was lost but its last epoch, where it is kept in "
                "a folder."
            )
            raise _read(Path(box, _FAILURE)) or lost from error
        failure = _read(Path(box, _FAILURE))  # one that was interrupted ends as if all were well
        if failure is not None:
            raise failure
        return _read(Path(box, _RESULT))


def check_processes(processes: int, device: str = "auto") -> None:
    """Whether so many processes can be started, before any other work.

    Raises what ``launch`` does.
    """
    if whole_between("processes", processes, 1, _MOST) > 1:
        _fabric(processes, device)


def _fabric(processes: int, device: str) -> Any:
    """The engine, set up for this machine."""
    chosen = pick_device(device)
    if chosen.type == "cuda":
        there = torch.cuda.device_count()
        if ":" in device:
            raise ParallelError(
                f"The device {device!r} is one GPU, but {processes} processes need one each; use 'auto' or 'cuda'."
            )
        if processes > there:
            raise ParallelError(
                f"{processes} processes were asked for, but torch sees {there} GPU{'s' * (there != 1)} here and every "
                f"process needs one; ask for {there}, or for the device 'cpu'."
            )
    elif chosen.type != "cpu":
        raise ParallelError(f"Several processes cannot share the device {device!r}; use 'cpu' or 'cuda'.")
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.lightning import LightningEnvironment
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ImportError as error:
        raise ParallelError(
            "Training in several processes needs the extra distributed: pip install 'gallop-explorer[distributed]'."
        ) from error
    _quieten()
    strategy = DDPStrategy(cluster_environment=LightningEnvironment(), start_method="spawn", timeout=TIMEOUT)
    return Fabric(accelerator=chosen.type, devices=processes, strategy=strategy)


def _quieten() -> None:
    for name in ("lightning_fabric", "lightning.fabric", "torch.multiprocessing.spawn"):
        logging.getLogger(name).setLevel(logging.ERROR)


class _Work:
    """What runs in each process. The engine tells of every start: it is silenced as soon as this arrives there."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any], box: str) -> None:
        self.function, self.arguments, self.box = function, arguments, box

    def __setstate__(self, state: dict[str, Any]) -> None:
        _quieten()
        self.__dict__.update(state)

    def __call__(self, fabric: Any) -> None:
        _end_with_the_parent()
        try:
            result = self.function(Processes(fabric), *self.arguments)
            if fabric.global_rank == 0:
                Path(self.box, _RESULT).write_bytes(pickle.dumps(result))
        except ProcessLeft:
            pass
        except KeyboardInterrupt as stop:
            if fabric.global_rank == 0 or stop.args:
                _write_failure(self.box, stop)
            raise
        except Exception as error:
            if type(error) is not ParallelError:  # another one's failure is the cause
                _write_failure(self.box, error)
            raise
        torch.distributed.destroy_process_group()


def _end_with_the_parent() -> None:
    """Nobody can end this process any more once the one that started it was killed: it would train on, unheard."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow(parent: Any) -> None:
            parent.join()  # the end of a pipe, which the system closes however that process ends
            os._exit(1)

        threading.Thread(target=follow, args=(parent,), name="end with the parent", daemon=True).start()


def _write_failure(box: str, error: BaseException) -> None:
    """The first failure of all: others follow from it."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:  # an exception with arguments of its own
        data = pickle.dumps(ParallelError(f"A process of the training failed: {type(error).__name__}: {error}"))
    with contextlib.suppress(OSError):  # another was first, or the folder is gone
        descriptor, temporary = tempfile.mkstemp(dir=box)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.link(temporary, Path(box, _FAILURE))


def _read(path: Path) -> Any:
    """What one of our own processes wrote into our own folder; None where there is nothing."""
    return pickle.loads(path.read_bytes()) if path.exists() else None


def _end(children: set[Any]) -> None:
    """Give them time to end after Ctrl-C, which a terminal sends to all; then tell them; then make them."""
    for end in (None, lambda child: os.kill(child.pid, signal.SIGINT), lambda child: child.kill()):
        for child in children:
            if end is not None and child.is_alive():
                with contextlib.suppress(OSError):
                    end(child)
        for child in children:
            child.join(_GRACE / len(children))


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Without what an earlier start, or a scheduler, left in the environment; afterwards it is as before."""
    before = {name: os.environ.pop(name, None) for name in _OURS}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class Processes(Parallel):
    """This process among all of a training: what ``launch`` gives to a function, and what ``fit_steps`` takes.

    Every process goes through the same batches with the same draws, and answers for its own images of each: their
    features are encoded and kept by it alone. Losses are weighted by their share of the batch and gradients are summed,
    so that the prompts are those of one process within rounding, and momentum and weight decay act once. Where there
    are class names enough, each encodes its share of them and has the others' text features from those who did.

    Attributes:
        device: of this process: "cpu", or a GPU of its own, such as "cuda:1".
    """

    def __init__(self, fabric: Any) -> None:
        super().__init__(str(fabric.device))
        self.rank, self.processes = fabric.global_rank, fabric.world_size

    def go_on(self) -> None:
        """Agree with all others to go on.

        Raises:
            ProcessLeft: one of them has left.
        """
        if self._sum(torch.zeros(1)).item() > 0:
            raise ProcessLeft("Another process has stopped listening to the training.")

    def leave(self) -> None:
        with contextlib.suppress(ParallelError):  # they may have gone already
            self._sum(torch.ones(1))

    def gather(self, part: Tensor, rows: int) -> Tensor:
        found: Tensor = _Gather.apply(part, self, rows)  # type: ignore[no-untyped-call]
        return found

    def whole(self, result: StepResult) -> StepResult:
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
