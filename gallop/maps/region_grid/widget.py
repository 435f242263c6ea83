"""The region grid in a notebook."""

from __future__ import annotations

from typing import Any

from gallop.maps.look import COLOURS, Style, Subject
from gallop.maps.photo import photo_url
from gallop.maps.region_grid import JAVASCRIPT, STYLE
from gallop.maps.region_grid.panel import map_panel
from gallop.predictions.explanation import Explanation
from gallop.wording import listed

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise ImportError(
        "RegionGrid needs anywidget, which comes with the extra 'notebooks': pip install 'gallop-explorer[notebooks]'. "
        "Without it, Explanation.plot() draws the same as a picture."
    ) from error


class RegionGrid(anywidget.AnyWidget):
    """One class's map of one local prompt, with the regions that entered its score outlined.

    Setting a trait redraws it without running a tower; a value that makes no sense raises ``traitlets.TraitError``.
    The region that was clicked, or chosen with arrow keys and Enter, is in ``region``.

    Args:
        explanation: from ``GalLoPClassifier.explain``.
        class_name: the class shown; the predicted one by default.
        traits: any of the traits below.

    Traits: ``class_name``; ``against``, another class whose scores are subtracted ("why A, not B"), or None;
    ``prompt``, counted from 0; ``k``; ``colours``, ``opacity``, ``threshold``, ``smooth`` as in ``look.Style``.

    >>> grid = RegionGrid(classifier.explain("photo.jpg"))  # doctest: +SKIP
    >>> grid.k = 3  # doctest: +SKIP
    """

    _esm = JAVASCRIPT
    _css = STYLE

    panel = traitlets.Dict().tag(sync=True)
    region = traitlets.Int(None, allow_none=True).tag(sync=True)
    class_name = traitlets.Unicode()
    against = traitlets.Unicode(None, allow_none=True)
    prompt = traitlets.Int(0)
    k = traitlets.Int()
    colours = traitlets.Enum(COLOURS, COLOURS[0])
    opacity = traitlets.Float(Style.opacity, min=0, max=1)
    threshold = traitlets.Float(Style.threshold, min=0, max=1)
    smooth = traitlets.Bool(Style.smooth)

    def __init__(self, explanation: Explanation, class_name: str | None = None, **traits: Any) -> None:
        if not explanation.topk:
            raise ValueError("This model has no local prompts, so there is no map to show.")
        self.explanation = explanation
        self._photo = photo_url(explanation)
        traits.setdefault("k", explanation.topk[traits.get("prompt", 0)])
        super().__init__(class_name=class_name or explanation.label, **traits)
        self.observe(self._draw, ["region", "class_name", "against", "prompt", "k"])
        self.observe(self._draw, ["colours", "opacity", "threshold", "smooth"])
        self._draw()

    @traitlets.validate("class_name", "against")
    def _known(self, proposal: dict[str, Any]) -> str | None:
        name: str | None = proposal["value"]
        if name is not None and name not in self.explanation.class_names:
            known = listed(self.explanation.class_names)
            raise traitlets.TraitError(f"There is no class {name!r} here; the classes are {known}.")
        return name

    @traitlets.validate("prompt", "k", "region")
    def _in_range(self, proposal: dict[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        regions = self.explanation.grid[0] * self.explanation.grid[1]
        name = proposal["trait"].name
        low, high = {"prompt": (0, len(self.explanation.topk) - 1), "k": (1, regions), "region": (0, regions - 1)}[name]
        if value is not None and not low <= value <= high:
            raise traitlets.TraitError(f"{name} is {value}; it must be between {low} and {high}.")
        return value

    def _draw(self, _: object = None) -> None:
        topk = [self.k if n == self.prompt else k for n, k in enumerate(self.explanation.topk)]
        explanation = self.explanation.with_topk(topk)
        self.panel = map_panel(
            Subject(explanation, self.class_name),
            self.prompt,
            minus=None if self.against is None else Subject(explanation, self.against),
            style=Style(self.colours, self.opacity, self.threshold, self.smooth),
            selected=self.region,
            photo=self._photo,
        )
