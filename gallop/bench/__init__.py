"""Methods x data sets x shots x seeds: what ``gallop bench`` runs, keeps and writes.

Read in this order: ``benchmark``, ``spec`` (what is asked), ``photo_sets``, ``photos`` (of which photos), ``runs``,
``plan`` (which runs that makes), ``towers``, ``answering``, ``runner`` (one run), ``records`` (what is kept of it),
``results`` (records by place), ``tables``, ``claims``, ``figures`` (what is told). ``rehearsal`` measures a step.
"""
