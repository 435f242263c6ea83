"""Names of ordinary things, places, animals and plants, to suggest some of them for a photo.

The list was fixed before any photo was judged by it. ``benchmarks/likely_names.py`` made it, and says by which rules.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gallop.runtime.reading import read_text

LIST = Path(__file__).with_name("likely.txt")
FEATURES = LIST.with_suffix(".safetensors")

EVERYDAY = 58
"""So many names at the beginning of the list are everyday words: a short list, where all would take too long."""
# In standard deviations of a photo's cosines with all names.
_EVERYDAY, _GENERIC = 0.5, -0.5


@cache
def likely_names() -> dict[str, float]:
    """Return all names, each with what is added to its standardised cosine with a photo: everyday words are a little
    more probable, and a generic word, such as "animal", is there for photos in which nothing specific stands out.
    """
    lines = read_text(LIST, 2**20).splitlines()
    return {
        line.removeprefix("~"): _EVERYDAY * (place < EVERYDAY) + _GENERIC * line.startswith("~")
        for place, line in enumerate(lines)
    }
