"""Where the local prompts looked: a map a prompt, how it is drawn, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.ui.explanation.answer import session_photo_url
from app.ui.widgets import media
from app.ui.widgets.region_grid import asked, region_grid
from app.ui.widgets.remembered import keep, one_of, put, recall
from app.visitor.explore import CELLS, NO_CLASS, SMOOTH, ExploreState
from app.visitor.session import Session
from gallop.maps.look import COLOURS, Scale, Style, Subject, scale_of
from gallop.maps.region_grid import panel

if TYPE_CHECKING:
    from gallop import Explanation

MOST_PROBABLE, NOTHING, BEFORE = (f"{NO_CLASS}{words}" for words in ("most probable", "nothing", "before teaching"))
_SHOWN = {
    MOST_PROBABLE: "The most probable",
    NOTHING: "Nothing: its own scores",
    BEFORE: "Itself before teaching",
}
PANELS_A_ROW = 2


@dataclass(frozen=True)
class Shown:
    """What all maps are about. ``minus`` is subtracted in signed maps."""

    subject: Subject
    minus: Subject | None


def choose_map(explanation: Explanation, before: Explanation | None) -> Shown:
    """The class whose scores are shown, and what they are compared with.

    Args:
        before: the same photo before teaching; None where nothing was taught.
    """
    left, right = st.columns(2)
    classes = [MOST_PROBABLE, *explanation.class_names]
    with left:
        chosen = one_of("Class explained", classes, ExploreState.class_name, MOST_PROBABLE, called)
    name = explanation.label if chosen == MOST_PROBABLE else chosen
    others = [NOTHING, *[BEFORE] * (before is not None), *(c for c in explanation.class_names if c != name)]
    with right:
        hint = "Another class: why this one and not that one. Itself before teaching: what was learned."
        minus = one_of("Compared with", others, ExploreState.against, NOTHING, called, help=hint)
    if minus == NOTHING:
        return Shown(Subject(explanation, name), None)
    if minus == BEFORE and before is not None:
        return Shown(Subject(explanation, name), Subject(before, name, "before teaching"))
    return Shown(Subject(explanation, name), Subject(explanation, minus))


def choose_scales(explanation: Explanation) -> tuple[int, ...]:
    """The k of each scale as the sliders stand; the sliders themselves are drawn by ``maps``."""
    regions = explanation.grid[0] * explanation.grid[1]
    chosen: list[int] = []
    for prompt, k in enumerate(usual(explanation)):
        place = ExploreState.scales.at(prompt)
        chosen.append(keep(place, recall(place, k, range(1, regions + 1))))
    return tuple(chosen)


def usual(explanation: Explanation) -> tuple[int, ...]:
    """The scales of the model, as far as the photo has regions."""
    return tuple(min(k, explanation.grid[0] * explanation.grid[1]) for k in explanation.topk)


def put_scales(topk: Sequence[int]) -> None:
    """Let the sliders stand at these k."""
    for prompt, k in enumerate(topk):
        put(ExploreState.scales.at(prompt), k)


def style() -> Style:
    """How maps are drawn."""
    with st.popover("How maps are drawn", icon=":material/palette:"):
        shown = recall(ExploreState.opacity, round(100 * Style.opacity), range(101))
        opacity = st.slider("Opacity of the map, in %", 0, 100, shown, key=ExploreState.opacity.key)
        keep(ExploreState.opacity, opacity)
        shown = recall(ExploreState.hidden, 0, range(101))
        threshold = st.slider(
            "Hide weak regions, in % of the colour scale",
            0,
            100,
            shown,
            key=ExploreState.hidden.key,
            help="On signed maps weak means near zero.",
        )
        keep(ExploreState.hidden, threshold)
        kinds = [SMOOTH, CELLS]
        kind = recall(ExploreState.drawn, SMOOTH, kinds)
        place = ExploreState.drawn
        drawn = keep(place, st.segmented_control("Drawn", kinds, default=kind, key=place.key, required=True))
        hint = "All are read alike with every common kind of colour blindness."
        colours = one_of("Colours", COLOURS, ExploreState.colours, COLOURS[0], help=hint)
    return Style(colours, opacity / 100, threshold / 100, drawn == SMOOTH)


def maps(session: Session, shown: Shown, style: Style, defaults: Sequence[int], *, alike: bool) -> None:
    """One map a scale, with its slider, its outlined regions and the sum check.

    Args:
        alike: whether all prompts say the same, as with one template.
    """
    subject, minus = shown.subject, shown.minus
    name = text.markdown(subject.class_name)
    st.markdown(
        f"**Where it looked for {name}**: each local prompt scores every region, and the mean of its k best regions, "
        "outlined, is its score. Move k: the answer above follows at once. Click a region to ask about it."
        if minus is None
        else f"**{name} minus {text.markdown(minus.words)}**: orange regions speak for the first, violet ones for the "
        "second. The first's k best regions are outlined, the second's are dotted."
    )
    if alike:
        st.caption("With one template all local prompts say the same: their maps are alike and differ only in k.")
    prompts = range(len(subject.explanation.topk))
    scale = scale_of([subject.scores(n, minus) for n in prompts], signed=minus is not None)
    for start in range(0, len(prompts), PANELS_A_ROW):
        columns = st.columns(PANELS_A_ROW)
        for prompt, column in zip(prompts[start : start + PANELS_A_ROW], columns, strict=False):
            with column:
                _panel(session, shown, prompt, scale, style)
    _legend(scale, style)
    if tuple(defaults) != subject.explanation.topk:
        label = f"Back to k = {', '.join(str(k) for k in defaults)}"
        st.button(label, on_click=put_scales, args=(tuple(defaults),))


def _panel(session: Session, shown: Shown, prompt: int, scale: Scale, style: Style) -> None:
    subject, minus = shown.subject, shown.minus
    explanation = subject.explanation
    rows, columns = explanation.grid
    key = ExploreState.scales.at(prompt).key  # recalled by ``choose_scales``
    st.slider(f"Local prompt {prompt + 1}: k", 1, rows * columns, st.session_state[key], key=key)
    drawn = panel.map_panel(
        subject,
        prompt,
        minus=minus,
        scale=scale,
        style=style,
        selected=asked(explanation.grid),
        photo=session_photo_url(session, explanation),
    )
    region_grid(drawn, key=f"map {prompt}")
    st.markdown(_sum(subject, prompt) if minus is None else _difference(shown, prompt))
    words = explanation.describe(subject.class_name, prompt)
    st.caption(words[0].upper() + words[1:])


def _sum(subject: Subject, prompt: int) -> str:
    """Whether the mean of the outlined regions is the score that entered the answer."""
    mean, score, count = _mean(subject, prompt), _score(subject, prompt), len(subject.kept(prompt))
    return f"k = {subject.explanation.topk[prompt]}: mean of {count} region{'s' if count > 1 else ''} {mean:.4f} " + (
        "= the score" if abs(mean - score) < 1e-5 else f"is **not** the score, {score:.4f}"
    )


def _difference(shown: Shown, prompt: int) -> str:
    assert shown.minus is not None
    mine, other = _score(shown.subject, prompt), _score(shown.minus, prompt)
    return f"k = {shown.subject.explanation.topk[prompt]}: {mine:.4f} minus {other:.4f} is **{mine - other:+.4f}**"


def _mean(subject: Subject, prompt: int) -> float:
    boxes = subject.explanation.regions(subject.class_name, prompt)
    return sum(box.score for box in boxes) / len(boxes)


def _score(subject: Subject, prompt: int) -> float:
    row = subject.explanation.class_names.index(subject.class_name)
    return float(subject.explanation.local_scores[row, prompt])


def _legend(scale: Scale, style: Style) -> None:
    alt = f"Colour scale from {scale.low:.3f} to {scale.high:.3f}"
    media.image(panel.legend_picture(style, signed=scale.signed), width=256, alt=alt)
    words = "Differences of scores" if scale.signed else "Region scores"
    middle = ", white is zero" if scale.signed else ""
    st.caption(f"{words} from {scale.low:.3f} (left) to {scale.high:.3f} (right){middle}; the same in every map.")


def called(name: str) -> str:
    """A choice of ``choose`` in words."""
    return _SHOWN.get(name, name)
