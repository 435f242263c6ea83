"""Methods x data sets x shots x seeds: what ``gallop bench`` runs, keeps and writes.

Read in this order: ``definition`` (what is asked), ``running`` (which photos and runs that makes, one run, the record
that is kept of it), ``reporting`` (records by place, and what is told of them). ``specs`` holds those that come along.
"""
