"""Trained models on disk: a folder goes in, a model comes out, and the other way."""
