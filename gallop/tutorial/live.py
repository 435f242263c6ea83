"""Charts that follow a widget, by plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class LiveChart:
    """A figure of plotly in a widget, which is drawn anew when its numbers change.

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

    axis = {"range": [0, 1], "title": label}
    figure = go.Figure(go.Bar(x=list(names), y=[0] * len(names), marker={"color": "#4477aa"}))
    figure.update_layout(height=280, margin={"t": 20, "b": 20}, yaxis=axis)
    return LiveChart(figure.update_layout(**layout))


def live_lines(groups: Mapping[str, Sequence[str]], colours: Sequence[str]) -> LiveChart:
    """Return charts beside each other, each of empty lines.

    Args:
        groups: by title of a chart, the names of its lines.
        colours: of the lines of each chart.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(1, len(groups), subplot_titles=list(groups))
    for column, names in enumerate(groups.values(), start=1):
        for name, colour in zip(names, colours, strict=True):
            figure.add_scatter(x=[], y=[], name=name, line={"color": colour}, showlegend=True, row=1, col=column)
    return LiveChart(figure.update_layout(height=300, margin={"t": 30, "b": 20}))


def live_heaps(colours: Mapping[str, str], label: str) -> LiveChart:
    """Return a chart of histograms, one a name in its colour, and a dotted line; ``draw({"x": ...}, ...)`` fills it.

    The line stands where ``figure.layout.shapes[0]`` says.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, colour in colours.items():
        figure.add_histogram(name=name, marker={"color": colour}, opacity=0.7, nbinsx=30)
    figure.update_layout(barmode="overlay", height=280, margin={"t": 20, "b": 20}, xaxis={"title": label})
    return LiveChart(figure.add_vline(0, line_dash="dot"))


def live_maps(titles: Sequence[str]) -> LiveChart:
    """Return maps beside each other with colours from -1 to 1; ``draw({"z": rows}, ...)`` fills them."""
    from plotly.subplots import make_subplots

    figure = make_subplots(1, len(titles), subplot_titles=list(titles))
    for column in range(1, len(titles) + 1):
        figure.add_heatmap(zmin=-1, zmax=1, colorscale="Cividis", showscale=False, row=1, col=column)
    figure.update_yaxes(autorange="reversed", visible=False).update_xaxes(visible=False)
    figure.update_annotations(font_size=10)
    return LiveChart(figure.update_layout(width=900, height=270, margin={"t": 30, "b": 10}))
