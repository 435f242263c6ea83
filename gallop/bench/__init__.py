"""Methods x data sets x shots x seeds: what ``gallop bench`` runs, keeps and writes.

Read in this order: ``spec`` (what is asked), ``photos`` and ``plan`` (which runs that makes), ``runner`` (one run),
``records`` (what is kept of it), ``results`` (records by place), ``tables``, ``claims``, ``figures`` (what is told).
"""
