"""Workers that a photo ends, as one does that a decoder cannot survive, or that wait for nobody. Processes of a cluster
import them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gallop.answers import PhotoEmbedder
from gallop.answers.scorer import Prepared
from gallop.answers.sources import SourceItem


class EndedByAPhoto(PhotoEmbedder):
    def prepare(self, items: Sequence[SourceItem]) -> Prepared:
        if any(item.key == "deadly.png" for item in items):
            os._exit(1)
        return super().prepare(items)
