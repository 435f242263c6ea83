"""What is learned here: the paper's prompts, and a projection of the whole photo's feature where a setting asks for it.

Shapes: M global prompts, C context tokens, T text width, V region width, D joint width.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from gallop.core import gallop as paper


class Prompts(paper.Prompts):
    """The paper's prompts.

    Args:
        context: token embeddings (C, T) of "A photo of a", from which every context starts.
        local_projection: False leaves the projection of the regions out of what is learned: it stays the identity.
        global_width: D, where a projection (D, D) of the photo's own feature is learned, which starts as the identity,
            too; None learns none.
        sizes: ``global_prompts``, ``local_prompts`` and ``region_width``, as in ``gallop.core.Prompts``.
    """

    global_projection: nn.Parameter | None

    def __init__(
        self, context: Tensor, *, local_projection: bool = True, global_width: int | None = None, **sizes: Any
    ) -> None:
        super().__init__(context, **sizes)
        self.local_projection.requires_grad_(local_projection)
        whole = None if global_width is None else nn.Parameter(torch.eye(global_width))
        self.register_parameter("global_projection", whole)  # (D, D); no tensor of a model that has none

    def learned(self) -> list[nn.Parameter]:
        """Return the tensors that a training changes: all of them, or all but the projection of the regions."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def digest(self) -> str:
        """Return SHA-256 over all numbers."""
        digest = hashlib.sha256()
        for parameter in self.parameters():
            digest.update(f"{tuple(parameter.shape)}".encode())
            digest.update(parameter.detach().cpu().numpy().tobytes())
        return digest.hexdigest()
