"""Pictures of a notebook, each with its alternative text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:
    Figure = Any  # hints can be worked out (typing.get_type_hints) without loading it


def show_figure(text: str, figure: Figure | None = None) -> None:
    """Show a figure of matplotlib in a notebook, and close it.

    Args:
        text: what is to be seen, for those who do not see it. nbconvert's template ``classic`` makes it the picture's
            alternative text, its template ``lab`` does not; where pictures cannot be shown at all, it is printed.
        figure: None for the one that is being drawn.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    shown, png = plt.gcf() if figure is None else figure, io.BytesIO()
    shown.savefig(png, format="png", bbox_inches="tight", dpi=shown.dpi)
    plt.close(shown)
    words = " ".join(text.split())
    bundle = {"image/png": png.getvalue(), "text/plain": words}
    display(bundle, metadata={"image/png": {"alt": words}}, raw=True)  # type: ignore[no-untyped-call]
