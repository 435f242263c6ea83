"""What the notebooks share: names and folders in; out come photos, a backbone, and the minutes that a notebook takes;
numbers in, out come charts, tables and panels, each with a text for those who do not see it.
"""

from gallop.lab.tutorial.backbone import TimeAhead, frozen_backbone, time_ahead
from gallop.lab.tutorial.charts import show_figure

__all__ = ["TimeAhead", "frozen_backbone", "show_figure", "time_ahead"]
