"""Backbones on a device in two precisions: as they are run there, and plain fp32, which differ by rounding alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import torch
from open_clip import SimpleTokenizer
from open_clip.model import CustomTextCLIP

from gallop.backbones import Backbone, load_backbone
from gallop.estimator import GalLoPClassifier
from tests import tiny
from tests.backbones.test_encoders import PREPROCESS, TINY_VISION, draw_parameters
from tests.reference import backbone

EXACT = 1e-4
"""Relative difference of two devices in fp32: the order of sums."""

HALF = 2e-2
"""The same of a half precision and fp32: fp16 for images on a GPU, bf16 for text that is learned from."""

IMAGES = {"cpu": 0.1, "cuda": HALF}
"""The same of image features, by device: through fifty layers, bf16 has three bits less than fp16."""


def backbone_of(name: str, device: torch.device) -> Backbone:
    """``mini``, one of the reference's two, or "plain": text that is not causal, and an image pooled by attention;
    on a CPU in bf16, which stands for a GPU's half precision there.
    """
    ways: dict[str, Callable[[], Backbone]] = {
        "mini": lambda: load_backbone("mini", device="cpu"),
        "vit": tiny.new_vit,
        "rn": lambda: backbone("rn"),
        "plain": _plain,
    }
    made = ways[name]()
    if device.type == "cpu":
        made.precision = "bf16"
    return made.to(device)


def _plain() -> Backbone:
    torch.manual_seed(0)
    vision = {**TINY_VISION, "layers": 2, "head_width": 16, "patch_size": 8, "attentional_pool": True}
    text = {"width": 64, "heads": 2, "layers": 2, "context_length": 24, "no_causal_mask": True, "pool_type": "last"}
    model = CustomTextCLIP(32, vision, text)
    draw_parameters(model)
    return Backbone("plain", model, SimpleTokenizer(context_length=24), replace(PREPROCESS, size=32))


@contextmanager
def exact() -> Iterator[None]:
    """All backbones in fp32, on a GPU too, and its convolutions without TF32."""

    def plain(self: Backbone, on_gpu: torch.dtype) -> torch.autocast:
        return torch.autocast(self.device.type, enabled=False)

    usual = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with mock.patch.object(Backbone, "autocast", plain):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = usual


def learned(made: GalLoPClassifier) -> torch.Tensor:
    """Return all that a classifier has learned, as one row on the CPU."""
    return torch.cat([value.detach().cpu().flatten() for value in made.model_.prompts.parameters()])
