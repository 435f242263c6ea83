"""Answers and true labels in, figures out: accuracy, calibration, OOD figures, intervals, diversity of prompts."""
