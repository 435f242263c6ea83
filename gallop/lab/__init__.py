"""Research on the method: benchmarks, other methods, the paper's data sets, and what the notebooks share."""
