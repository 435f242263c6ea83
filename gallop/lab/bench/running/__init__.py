"""A benchmark in, records of its runs out: which photos, which runs, the record of each."""
