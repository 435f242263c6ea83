"""Charts that follow a widget, by plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class LiveChart:
    """A figure of plotly in a widget, which is drawn again when its numbers change.

    JupyterLab shows a ``FigureWidget`` of plotly 7.1 without its data; a figure in an ``Output`` it shows.

    Attributes:
        figure: plotly's; what a change of numbers does not reach is set there.
        widget: what to display.
    """

    def __init__(self, figure: Any) -> None:
        import ipywidgets as widgets

        self.figure, self.widget = figure, widgets.Output()

    def draw(self, *traces: Mapping[str, Any]) -> None:
        """Give each trace, in their order, what is new of it, and show all of them."""
        from IPython.display import clear_output, display

        for trace, new in zip(self.figure.data, traces, strict=True):
            trace.update(new)
        with self.widget:
            clear_output(wait=True)  # type: ignore[no-untyped-call]
            display(self.figure)  # type: ignore[no-untyped-call]


def live_bars(names: Sequence[str], label: str = "probability", **layout: Any) -> LiveChart:
    """Return a chart of bars from 0 to 1, one a name; ``draw({"y": numbers})`` fills it.

    Args:
        label: of the numbers.
        layout: further settings of plotly's layout, such as the height.
    """
    import plotly.graph_objects as go

    figure = go.Figure(go.Bar(x=list(names), y=[0] * len(names), marker={"color": "#4477aa"}))
    figure.update_layout(height=280, margin={"t": 20, "b": 20}, yaxis={"range": [0, 1], "title": label})
    return LiveChart(figure.update_layout(**layout))
