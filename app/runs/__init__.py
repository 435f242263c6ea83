"""Trainings saved as runs: one SQLite file and a zip of each model."""
