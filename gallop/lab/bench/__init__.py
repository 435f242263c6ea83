"""Methods x data sets x shots x seeds: what ``gallop bench`` runs, records and writes.

Read in this order: ``spec`` (what is asked), ``photos`` and ``plan`` (which photos and runs that makes), ``runner``
(one run, its record), ``tables`` (tables of the records). ``specs`` has the benchmarks that are shipped.
"""
