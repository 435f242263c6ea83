"""The region grid: a photo, a map over what the model saw of it, and its regions to point at, click and walk through.

One JavaScript file and one style sheet serve a notebook (``gallop.maps.region_grid.widget``, which needs anywidget)
and the app. What they show is a dictionary of plain values, made by ``gallop.maps.region_grid.panel``.
"""

from __future__ import annotations

from pathlib import Path

JAVASCRIPT = Path(__file__).with_name("region_grid.js")
STYLE = Path(__file__).with_name("region_grid.css")
