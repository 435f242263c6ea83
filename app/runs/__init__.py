"""Trainings saved as runs: a folder each, and a zip of each model."""
