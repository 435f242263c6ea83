"""The model's files: how its weights are read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from open_clip.model import CLIP
from safetensors.torch import load_file, save_file
from torch import Tensor

__all__ = ["WEIGHTS", "load", "save"]

WEIGHTS = "mini.safetensors"


def load(folder: Path) -> CLIP:
    """The model of a folder in single precision, its weights fixed."""
    model = CLIP(**json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_cfg"])
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model.float().eval().requires_grad_(False)


def save(state: Mapping[str, Tensor], folder: Path) -> None:
    """Write the weights, every tensor in half precision; a reader never meets a half-written file."""
    halves = {key: value.detach().half().contiguous() for key, value in state.items()}
    if not all(bool(torch.isfinite(value).all()) for value in halves.values()):
        raise ValueError("A weight does not fit into half precision.")
    draft = folder / f"{WEIGHTS}.part"
    save_file(halves, draft, metadata={"format": "pt"})
    draft.chmod(0o644)  # safetensors writes files that only their owner may read
    draft.replace(folder / WEIGHTS)
