"""CoOp: one global prompt, learned with cross-entropy (Zhou et al., "Learning to Prompt for Vision-Language Models",
IJCV 2022, arXiv 2109.01134). The context is shared by all classes and starts at "A photo of a", as GalLoP's do.
"""

from __future__ import annotations

from dataclasses import dataclass

from gallop.data import LabelledPhotos
from gallop.methods.interface import Setup
from gallop.methods.prompt_learning import ONE_PROMPT, PromptedText, PromptLearner, text_of
from gallop.model.prompted import PromptModel


@dataclass(frozen=True)
class CoOp(PromptLearner):
    """CE(scale x cosine) for one prompt: GalLoP's loss where M = 1 and N = 0."""

    def fit(self, shots: LabelledPhotos, setup: Setup) -> PromptedText:
        """Learn the prompt."""
        model = PromptModel(setup.backbone, shots.class_names, ONE_PROMPT)
        for _ in self.train(model, shots, setup):
            pass
        return text_of(model)
