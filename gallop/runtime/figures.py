"""Figures of matplotlib that notebooks show, drawn without a screen."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that a notebook shows as a picture even if pyplot, which would show it, was never imported."""

    def png(self, dpi: int = 72) -> bytes:
        """Return the figure as a PNG file, of so many dots per inch."""
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=dpi)
        return content.getvalue()

    _repr_png_ = png
