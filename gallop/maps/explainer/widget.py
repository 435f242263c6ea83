"""The explainer in a notebook."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gallop.maps.explainer import STYLE_SHEET, script
from gallop.maps.explainer.data import explainer_data
from gallop.maps.explainer.stands import Stands
from gallop.maps.look import Scale
from gallop.maps.photo import photo_url
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
    """One photo's answer and maps, with k, class, comparison and regions to move and ask in the browser.

    Nothing runs in Python while a hand moves. When it lets go, what stands is in ``stood``: ``stood.topk`` for the k,
    ``stood.class_name``, ``stood.region`` and the rest; ``explained`` is the explanation at these k.

    Args:
        explanation: from ``GalLoPClassifier.explain``.
        before: the same photo and classes as another model saw them, to compare with.
        when: what tells ``before`` apart.
        stands: what is shown at first.
        scale: of the colours, where several explainers share one; None takes that of this explanation's maps.
        compact: one map and what is asked of it, to stand beside others.
        traits: of any widget, such as ``layout``.

    Raises:
        ClassNameError, ConfigError: there is no such class, prompt, k or region to stand at.

    >>> shown = Explainer(classifier.explain("photo.jpg"))  # doctest: +SKIP
    >>> shown.show(Stands(class_name="cat", topk=(3, 10, 15, 20)))  # doctest: +SKIP
    """

    _esm = script()
    _css = STYLE_SHEET

    data = traitlets.Dict().tag(sync=True)
    stands = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        explanation: Explanation,
        *,
        before: Explanation | None = None,
        when: str = "before teaching",
        stands: Stands | None = None,
        scale: Scale | None = None,
        compact: bool = False,
        **traits: Any,
    ) -> None:
        super().__init__(**traits)
        self.explanation = explanation
        self._before, self._when = before, when
        self._scale, self._compact = scale, compact
        self._photo = photo_url(explanation.image, explanation.crop)
        self.stood = (stands or Stands()).checked(explanation)
        self._draw()
        self.observe(self._told, "stands")

    @property
    def explained(self) -> Explanation:
        """The explanation at the k that stand."""
        return self.explanation.with_topk(self.stood.topk) if self.explanation.topk else self.explanation

    def show(self, stands: Stands) -> None:
        """Let it stand at this.

        Raises:
            ClassNameError, ConfigError: there is no such class, prompt, k or region; it stands as it did.
        """
        # An answer to the browser's last movement, so that it is followed.
        self.stood = replace(stands.checked(self.explanation), turn=self.stood.turn)
        self._draw()

    def _told(self, change: dict[str, Any]) -> None:
        self.stood = Stands.told(change["new"]).of(self.explanation)
        if any("last" in branch for take in self.data["takes"] for branch in take["branches"]):
            self._draw()  # the browser does not have every class's cosines: it waits for these

    def _draw(self) -> None:
        self.data = explainer_data(
            self.explanation,
            before=self._before,
            when=self._when,
            stands=self.stood,
            photo=self._photo,
            scale=self._scale,
            compact=self._compact,
        )
