"""What the notebooks share: names and folders in; out come photos and a backbone; numbers in, out come a line chart, a
table and panels, each with a text for those who do not see it.
"""

from gallop.lab.tutorial.backbone import frozen_backbone
from gallop.lab.tutorial.charts import show_figure

__all__ = ["frozen_backbone", "show_figure"]
