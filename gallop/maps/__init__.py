"""An explanation in, pictures out: plots, files, and the region grid that one clicks."""
