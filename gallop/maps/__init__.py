"""An explanation in, pictures out: plots, files, and the explainer that one moves and asks."""
