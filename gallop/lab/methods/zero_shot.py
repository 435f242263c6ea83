"""Zero-shot CLIP: classes are texts, nothing is learned (Radford et al., "Learning Transferable Visual Models From
Natural Language Supervision", ICML 2021, arXiv 2103.00020, section 3.1.4).

Shapes: K classes, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.backbones import Backbone
from gallop.backbones.imagenet import ENSEMBLE_TEMPLATES
from gallop.config import CONTEXT_INIT
from gallop.core.gallop import TextFeatures
from gallop.data import LabelledPhotos
from gallop.errors import ConfigError
from gallop.lab.methods.interface import Setup
from gallop.lab.methods.prompt_learning import ONE_PROMPT, PromptedText
from gallop.model.prompted import PromptModel
from gallop.names.templates import PLACE, fill

TEMPLATES = {"one": (f"{CONTEXT_INIT} {PLACE}",), "ensemble": ENSEMBLE_TEMPLATES}
"""By name: the one that prompts start from, and the seven that, as CLIP's authors report, do as well as eighty."""


def template_features(backbone: Backbone, class_names: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Return class weights (K, D) of unit norm: the mean over templates of the texts' unit features."""
    with torch.no_grad(), backbone.autocast_text(learning=False):
        each = [backbone.text.encode_texts([fill(t, name) for name in class_names]).float() for t in templates]
    return F.normalize(torch.stack([F.normalize(text, dim=-1) for text in each]).mean(dim=0), dim=-1)


@dataclass(frozen=True)
class ZeroShot:
    """Cosine with the class's text.

    Attributes:
        templates: "one" or "ensemble".
    """

    learns: ClassVar[bool] = False

    templates: str = "one"

    def __post_init__(self) -> None:
        if self.templates not in tuple(TEMPLATES):
            raise ConfigError(f"templates is {self.templates!r}; choose {' or '.join(TEMPLATES)}.")

    def fit(self, shots: LabelledPhotos, setup: Setup) -> PromptedText:
        """Encode the class names; the photos are not looked at."""
        text = template_features(setup.backbone, shots.class_names, TEMPLATES[self.templates])[:, None]
        return PromptedText(PromptModel(setup.backbone, shots.class_names, ONE_PROMPT), TextFeatures(text, text[:, :0]))
