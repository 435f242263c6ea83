"""What the notebooks share: names and folders in; out come photos and a backbone; numbers in, out come a line chart, a
table and panels, each with a text for those who do not see it.
"""

from __future__ import annotations

from gallop.backbones import Backbone, load_backbone
from gallop.lab.tutorial.charts import show_figure

__all__ = ["frozen_backbone", "show_figure"]


def frozen_backbone(name: str) -> Backbone:
    """Return a backbone by name: ``mini`` on the processor, where it is fast enough and gives the figures of the text;
    any other, such as "ViT-B-16/openai", on a GPU when there is one.

    Raises:
        BackboneError: as ``load_backbone``.
    """
    return load_backbone(name, device="cpu" if name == "mini" else "auto")
