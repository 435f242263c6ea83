"""The reference figures of ``tests/golden``: what the paper's own implementation computed on two tiny random CLIPs.

And what tests compare with and under: an error relative to a norm, and a number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from torch import Tensor

from gallop import ImageFeatures, MethodConfig
from gallop.backbones import Backbone, Preprocess
from gallop.model.prompted import PromptModel, Prompts
from tests.conftest import ROOT

PATH = ROOT / "tests" / "golden" / "gallop_reference.npz"


@cache
def figures() -> dict[str, Any]:
    with np.load(PATH) as file:
        return {key: file[key] for key in file.files}


@cache
def meta() -> dict[str, Any]:
    return json.loads(str(figures()["meta"]))


def tensor(key: str) -> Tensor:
    return torch.from_numpy(figures()[key])


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """Norm of the difference over norm of the figure."""
    assert found.shape == wanted.shape
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


def clip(kind: str) -> CLIP:
    """``vit`` or ``rn``: open_clip's CLIP built from ``meta`` alone, with the stored weights."""
    sizes = meta()[kind]
    vision = {"image_size": sizes["image_size"], "layers": sizes["vision_layers"], "width": sizes["vision_width"]}
    vision |= {"head_width": 64, **({"patch_size": sizes["patch"]} if kind == "vit" else {})}
    text = {"width": sizes["text_width"], "layers": sizes["text_layers"], "heads": sizes["text_heads"]}
    model = CLIP(sizes["embed_dim"], vision, {"context_length": 77, "vocab_size": 49408, **text}, quick_gelu=True)
    prefix = f"{kind}/clip/"
    state = {
        k.removeprefix(prefix): torch.from_numpy(np.asarray(v)) for k, v in figures().items() if k.startswith(prefix)
    }
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, strict=True)
    return model


def backbone(kind: str, model: CLIP | None = None) -> Backbone:
    """Of ``clip(kind)``, or of that one changed."""
    preprocess = Preprocess(meta()[kind]["image_size"], (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return Backbone(f"golden-{kind}", model or clip(kind), open_clip.SimpleTokenizer(), preprocess)


@dataclass(frozen=True)
class Golden:
    """One of the two models with its learned parameters and its six images, ready to be asked."""

    kind: str
    model: PromptModel
    features: ImageFeatures
    labels: Tensor

    def figure(self, key: str) -> Tensor:
        return tensor(f"{self.kind}/{key}")


LEARNED = {
    "global_contexts": "global_prompt",
    "local_contexts": "local_prompts",
    "local_projection": "local_proj.linear.weight",
}
"""Our name of each learned tensor -> its name in the reference."""


def golden(kind: str) -> Golden:
    frozen = backbone(kind)
    config = MethodConfig(meta()["n_global_prompts"], tuple(meta()["topk"]), meta()["dropout"])
    prompts = Prompts(torch.zeros(4, frozen.text.width), config, frozen)
    prompts.load_state_dict({own: tensor(f"{kind}/learned/{theirs}").float() for own, theirs in LEARNED.items()})
    whole, regions = frozen.encode_image(tensor(f"{kind}/images"))
    model = PromptModel(frozen, meta()["class_names"], config, prompts)
    return Golden(kind, model, ImageFeatures(whole, regions), tensor(f"{kind}/targets"))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """With so many of torch's threads, whatever the machine has."""
    usual = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(usual)
