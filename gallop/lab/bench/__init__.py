"""Methods x data sets x shots x seeds: what ``gallop bench`` runs, records and writes.

Read in this order: ``definition`` (what is asked), ``running`` (which photos and runs that makes, one run, its
record), ``reporting`` (tables and the chart of the records). ``specs`` has the benchmarks that are shipped.
"""
