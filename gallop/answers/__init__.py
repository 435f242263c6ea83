"""Predict photos from any source, batch by batch: the work of ``gallop predict``, and what others send to workers."""

from gallop.answers.scorer import Extras, PhotoScorer

__all__ = ["Extras", "PhotoScorer"]
