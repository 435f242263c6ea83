"""Features of labelled photos in, learned prompts out: a step, the loop, calibration, resuming."""
