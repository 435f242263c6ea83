"""Files of weights: those on this machine, those that can be had, and fetching one. Loads torch only with open_clip."""
