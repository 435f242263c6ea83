"""Sentences that come with open_clip."""

from __future__ import annotations

import open_clip

ENSEMBLE_TEMPLATES: tuple[str, ...] = tuple(say("{}") for say in open_clip.SIMPLE_IMAGENET_TEMPLATES)
"""The seven whose mean CLIP's authors recommend for zero-shot; ``{}`` is the class name."""
