"""Names of ordinary things, places, animals and plants, to suggest some of them for a photo.

The list was fixed before any photo was judged by it. ``benchmarks/likely_names.py`` made it, and says by which rules.
"""

from __future__ import annotations

from pathlib import Path

LIST = Path(__file__).with_name("likely.txt")
FEATURES = LIST.with_suffix(".safetensors")
