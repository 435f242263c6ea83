"""The only trainable module: contexts and the local projection (paper, section 3), and a global projection.

Shapes: M global prompts, N local prompts, C context tokens, T text width, V region width, D joint width.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn


class Prompts(nn.Module):
    """What GalLoP learns.

    Args:
        context: token embeddings (C, T) of "A photo of a", from which every context starts.
        global_prompts: M.
        local_prompts: N; with 0 there are no local contexts and the projection stays out of use.
        region_width: V; the projection (V, V) starts as the identity and has no bias.
        local_projection: False leaves the projection out of what is learned: it stays the identity.
        global_width: D, where a projection (D, D) of the photo's own feature is learned, which starts as the identity,
            too; None learns none.
    """

    global_projection: nn.Parameter | None

    def __init__(
        self,
        context: Tensor,
        *,
        global_prompts: int,
        local_prompts: int,
        region_width: int,
        local_projection: bool = True,
        global_width: int | None = None,
    ) -> None:
        super().__init__()
        context = context.detach().float()
        self.global_contexts = nn.Parameter(context.repeat(global_prompts, 1, 1))  # (M, C, T)
        self.local_contexts = nn.Parameter(context.repeat(local_prompts, 1, 1))  # (N, C, T)
        self.local_projection = nn.Parameter(torch.eye(region_width), requires_grad=local_projection)  # (V, V)
        whole = None if global_width is None else nn.Parameter(torch.eye(global_width))
        self.register_parameter("global_projection", whole)  # (D, D); no tensor of a model that has none

    @property
    def sizes(self) -> tuple[int, int]:
        """(M, N)"""
        return len(self.global_contexts), len(self.local_contexts)

    def learned(self) -> list[nn.Parameter]:
        """Return the tensors that a training changes: all of them, or all but the projection of the regions."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def of_global_branch(self) -> list[nn.Parameter]:
        """Return those of ``learned()`` that the answer of the whole photo depends on."""
        whole = self.global_projection
        return [self.global_contexts] if whole is None else [self.global_contexts, whole]

    def digest(self) -> str:
        """Return SHA-256 over all numbers."""
        digest = hashlib.sha256()
        for parameter in self.parameters():
            digest.update(f"{tuple(parameter.shape)}".encode())
            digest.update(parameter.detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def contexts(self) -> Tensor:
        """Return all contexts (M + N, C, T), global ones first."""
        return torch.cat([self.global_contexts, self.local_contexts])

    def projection(self, visual_projection: Tensor | None) -> Tensor:
        """Return what takes a region to the joint space, (V, D): local projection, then the tower's own where it has
        one.

        The two matrices are multiplied first: one product over all regions instead of two.
        """
        weight = self.local_projection.T
        return weight if visual_projection is None else weight @ visual_projection.float()
