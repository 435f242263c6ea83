"""What the notebooks share: names and folders in; out come photos, a tower, pictures with a text for those who do not
see them, and the minutes that a notebook will take.
"""

from gallop.tutorial.pictures import in_two_rows, show_figure
from gallop.tutorial.tower import frozen_tower
from gallop.tutorial.working_time import TimeAhead, time_ahead

__all__ = ["TimeAhead", "frozen_tower", "in_two_rows", "show_figure", "time_ahead"]
