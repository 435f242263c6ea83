"""The explainer in a notebook."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gallop.maps.explainer import STYLE_SHEET, script
from gallop.maps.explainer.payload import explainer_data
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import Scale
from gallop.maps.shown_photo import photo_url
from gallop.predictions.explanation import Explanation

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise ImportError(
        "Explainer needs anywidget, which comes with the extra 'notebooks': pip install 'gallop-explorer[notebooks]'. "
        "Without it, plot_explanation() draws the same explanation as a static picture."
    ) from error


class Explainer(anywidget.AnyWidget):
    """One photo's answer and maps; k, class, comparison and regions are chosen in the browser.

    Nothing runs in Python while a control moves. When it is released, ``state`` has what is shown: ``state.topk`` for
    the k, ``state.class_name``, ``state.region`` and the rest; ``explained`` is the explanation at these k.

    Args:
        explanation: from ``GalLoPClassifier.explain``.
        before: the same photo and classes as another model saw them, to compare with.
        when: the label of ``before``.
        state: what is shown at first.
        scale: of the colours, where several explainers share one; None takes that of this explanation's maps.
        compact: one map and the classes of one region, to show several side by side.
        traits: of any widget, such as ``layout``.

    Raises:
        ClassNameError, ConfigError: there is no such class, prompt, k or region.

    >>> shown = Explainer(classifier.explain("photo.jpg"))  # doctest: +SKIP
    >>> shown.show(ExplainerState(class_name="cat", topk=(3, 10, 15, 20)))  # doctest: +SKIP
    """

    _esm = script()
    _css = STYLE_SHEET

    data = traitlets.Dict().tag(sync=True)
    browser_state = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        explanation: Explanation,
        *,
        before: Explanation | None = None,
        when: str = "before teaching",
        state: ExplainerState | None = None,
        scale: Scale | None = None,
        compact: bool = False,
        **traits: Any,
    ) -> None:
        super().__init__(**traits)
        self.explanation = explanation
        self._before, self._when = before, when
        self._scale, self._compact = scale, compact
        self._photo = photo_url(explanation.image, explanation.crop)
        self.state = (state or ExplainerState()).checked(explanation)
        self._draw()
        self.observe(self._receive, "browser_state")

    @property
    def explained(self) -> Explanation:
        """The explanation at the k that are shown."""
        return self.explanation.with_topk(self.state.topk) if self.explanation.topk else self.explanation

    def show(self, state: ExplainerState) -> None:
        """Show another class, prompt, k or region.

        Raises:
            ClassNameError, ConfigError: there is no such class, prompt, k or region; what is shown is unchanged.
        """
        # With the turn of the browser's last message, so that the browser follows it.
        self.state = replace(state.checked(self.explanation), turn=self.state.turn)
        self._draw()

    def _receive(self, change: dict[str, Any]) -> None:
        self.state = ExplainerState.from_browser(change["new"]).of(self.explanation)
        if any("last" in branch for take in self.data["takes"] for branch in take["branches"]):
            self._draw()  # the browser does not have every class's cosines: it waits for these

    def _draw(self) -> None:
        self.data = explainer_data(
            self.explanation,
            before=self._before,
            when=self._when,
            state=self.state,
            photo=self._photo,
            scale=self._scale,
            compact=self._compact,
        )
