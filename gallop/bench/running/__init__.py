"""A benchmark in, records of its runs out: which photos, which runs, what is kept of each."""
