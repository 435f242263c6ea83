"""Answers to photos from any place, batch by batch: what ``gallop predict`` does, and what others send to workers."""

from gallop.answers.scorer import Extras, PhotoEmbedder, PhotoScorer

__all__ = ["Extras", "PhotoEmbedder", "PhotoScorer"]
