"""What is asked about a photo. Knows no Streamlit and no torch."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_NAMES = ("cat", "dog", "cup of coffee", "rocket", "person")
DEFAULT_TEMPLATES = ("A photo of a {}",)
"""What every prompt says before anything is learned."""


@dataclass(frozen=True)
class Question:
    """What is asked about a photo: which classes, and which prompts answer.

    Attributes:
        taught: the prompts that were taught answer; otherwise it is zero-shot.
        templates: of zero-shot.
        like_taught: zero-shot with as many prompts as were taught, to compare prompt with prompt.
    """

    names: tuple[str, ...]
    taught: bool = False
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    like_taught: bool = False
