"""A training that is under way, kept in a folder at the end of every epoch, for another to go on from."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save

from gallop.errors import CheckpointError
from gallop.runtime.tensor_file import read_tensor_file
from gallop.runtime.writing import write_file
from gallop.training.loop import TrainState

TRAINING = "training.safetensors"
LARGEST_TRAINING = 2**30
"""Bytes: twice the largest prompts."""


def save_training(folder: str | Path, state: TrainState, key: str) -> None:
    """Keep a training that is under way, atomically. ``key`` names settings and data, so that no other resumes it."""
    tensors = {"generators": state.generators}
    for i, (parameter, momentum) in enumerate(zip(state.parameters, state.momentum, strict=True)):
        tensors[f"parameter.{i}"], tensors[f"momentum.{i}"] = parameter.contiguous(), momentum.contiguous()
    write_file(Path(folder) / TRAINING, save(tensors, metadata={"key": key, "epoch": str(state.epoch)}))


def load_training(folder: str | Path, key: str) -> TrainState | None:
    """Return the training kept in ``folder``, or None when there is none.

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
        raise CheckpointError(f"{path} is damaged ({error}); train again without resuming.") from error
    if metadata["key"] != key:
        raise CheckpointError(
            f"The training kept in {folder} had other settings, another backbone or other images; resume with the same "
            "ones, or train again without resuming."
        )
    return state


def drop_training(folder: str | Path) -> None:
    """Forget the training kept in ``folder``."""
    (Path(folder) / TRAINING).unlink(missing_ok=True)
