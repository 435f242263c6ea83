"""The frozen pair of towers, and the settings that came with its weights."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from gallop.backbones.preprocess import Preprocess
from gallop.backbones.supported import UnsupportedTower
from gallop.backbones.text import TextTower
from gallop.backbones.vision import VisionTower, vision_tower


class Backbone:
    """A frozen CLIP: images to features, text towers for prompts, and how to prepare a photo for it.

    Args:
        name: what ``load_backbone`` was asked for; stored in checkpoints.
        model: open_clip's ``CLIP`` or ``CustomTextCLIP`` with its weights loaded.
        tokenizer: open_clip's ``SimpleTokenizer`` for it.
        preprocess: resize, crop and normalisation of its input.

    Raises:
        UnsupportedTower: a tower for which GalLoP's features are not defined.
    """

    def __init__(self, name: str, model: nn.Module, tokenizer: Any, preprocess: Preprocess) -> None:
        model.eval().requires_grad_(False)
        self._model = model
        self.name = name
        self.preprocess = preprocess
        text_module = getattr(model, "text", model)
        if not hasattr(tokenizer, "sot_token_id"):
            raise UnsupportedTower(f"{name} reads text with {type(tokenizer).__name__}; CLIP's own BPE is needed.")
        self.text = TextTower(text_module, tokenizer)
        self.vision: VisionTower = vision_tower(_as_module(getattr(model, "visual", None)))
        self.logit_scale = float(torch.as_tensor(model.logit_scale).exp())

    @property
    def device(self) -> torch.device:
        """Where the towers are."""
        return next(self._model.parameters()).device

    def to(self, device: str | torch.device) -> Backbone:
        """Move the towers; returns self."""
        self._model.to(device)
        return self

    def __deepcopy__(self, memo: object) -> Backbone:
        # Frozen, so a copy would only cost memory; scikit-learn's clone asks for one.
        return self

    def encode_image(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> global (B, D) and regions (B, R, V), fp32, not normalised, without gradients."""
        with torch.inference_mode(False), torch.no_grad(), image_autocast(self.device):
            whole, regions = self.vision(pixels.to(self.device, non_blocking=True))
        return whole.float(), regions.float()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every weight's name, shape and bytes (fp32): two backbones with equal ones give equal features.

        The logit scale is among the weights, so a backbone whose temperature differs counts as another one.
        """
        return self._digest(self._model.state_dict())

    @cached_property
    def vision_fingerprint(self) -> str:
        """The same over the vision tower alone: all that image features depend on."""
        state = self._model.state_dict()
        return self._digest({key: value for key, value in state.items() if key.startswith("visual.")})

    def _digest(self, state: dict[str, Tensor]) -> str:
        digest = hashlib.sha256(self.preprocess.key().encode())
        for key, value in sorted(state.items()):
            digest.update(f"{key}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()


def image_autocast(device: torch.device) -> torch.autocast:
    """fp16 on a GPU, as CLIP itself runs there: no gradient passes the image tower. fp32 elsewhere."""
    return torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda")


def text_autocast(device: torch.device) -> torch.autocast:
    """bf16 on a GPU that has it: gradients pass the text tower, and in fp16 small ones would vanish. fp32 elsewhere."""
    able = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=able)


def _as_module(visual: Any) -> nn.Module:
    if not isinstance(visual, nn.Module):
        raise UnsupportedTower("This model has no vision tower.")
    return visual
