"""The explainer: a photo's cosines in, everything that follows from them worked out where it is looked at.

One script, joined from the modules in ``src`` (``python -m gallop.maps.explainer.join`` after a change there), and one
style sheet serve every host: the app, a notebook (``gallop.maps.explainer.widget``, which needs anywidget) and the HTML
report. What they show is a dictionary of plain values, made by ``gallop.maps.explainer.data``. The same modules make a
second script, which goes through the method step by step (``gallop.maps.explainer.steps``).
"""

from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).with_name("explainer.js")
STYLE_SHEET = Path(__file__).with_name("explainer.css")
STEPS_SCRIPT = Path(__file__).with_name("steps.js")
STEPS_STYLE_SHEET = Path(__file__).with_name("steps.css")
"""Goes on top of ``STYLE_SHEET``."""
