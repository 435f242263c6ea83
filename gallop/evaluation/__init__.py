"""Answers and true labels in, figures out: accuracy, calibration, OOD, intervals, diversity of prompts, evidence."""
