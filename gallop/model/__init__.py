"""The paper, in its order: prompts, similarity, losses, scores, calibration; features come in, probabilities go out."""
