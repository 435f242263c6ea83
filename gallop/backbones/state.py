"""A file of weights to tensors, and the tensors into a model: all of them and none too many."""

from __future__ import annotations

import warnings

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gallop.backbones.weights.known import LARGEST_WEIGHTS
from gallop.errors import BackboneError
from gallop.runtime.reading import check_file
from gallop.runtime.tensor_file import check_tensor_file
from gallop.wording import listed


def read_state(path: str) -> dict[str, Tensor]:
    """Return a state dict from safetensors, from a torch file (weights only) or from OpenAI's TorchScript archive.

    Raises:
        BackboneError: no weights, or none that can be read safely.
    """
    try:
        if path.endswith(".safetensors"):
            check_tensor_file(path, LARGEST_WEIGHTS)
            return dict(load_file(path))
        check_file(path, LARGEST_WEIGHTS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                loaded = torch.load(path, map_location="cpu", weights_only=True)
            except RuntimeError:
                # OpenAI's files are TorchScript archives, which torch.load refuses with weights_only.
                loaded = torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise BackboneError(f"{path} holds no weights that can be read safely ({type(error).__name__}).") from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise BackboneError(f"{path} holds no state dict of tensors.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def load_strictly(model: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Put every weight into its place.

    Raises:
        BackboneError: some are missing, too many or of another shape; it says which.
    """
    own = model.state_dict()
    # A causal mask and position ids are computed, not learned; some files carry them.
    state = {
        key: value for key, value in state.items() if key in own or not key.endswith(("attn_mask", "position_ids"))
    }
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    problems = [
        f"{len(keys)} {what} ({listed(keys, 3)})"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong))
        if keys
    ]
    if problems:
        raise BackboneError(f"The weights do not fit {name}: {'; '.join(problems)}. Check architecture and file.")
    model.load_state_dict(state, strict=True)
