"""What the notebooks share: names and folders in; out come photos, a tower, and the minutes that a notebook will take;
numbers in, out come charts, tables and panels, each with a text for those who do not see it.
"""

from gallop.tutorial.pictures import in_two_rows, show_figure
from gallop.tutorial.tower import frozen_tower
from gallop.tutorial.working_time import TimeAhead, time_ahead

__all__ = ["TimeAhead", "frozen_tower", "in_two_rows", "show_figure", "time_ahead"]
