"""What comes out for one photo: probabilities, each prompt's score, and the regions that decided at each scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

import charts
import text
import view
from gallop import Explanation
from parts import media
from session import Session

MOST_PROBABLE = "\u200bmost probable"  # cleaned class names hold no zero-width characters, so none is equal to it
PANELS_A_ROW = 4


def model_choice(session: Session, names: tuple[str, ...]) -> bool:
    """Zero-shot or taught; whether the taught prompts answer."""
    if session.taught is None:
        return False
    if not session.knows(names):
        missing = [name for name in session.taught.names if name not in names]
        st.info(
            "Back to zero-shot: what was taught needs all its classes on the list, and "
            f"{text.markdown(text.joined(missing))} {'is' if len(missing) == 1 else 'are'} not. "
            "Put the name back to use what was learned, or teach again.",
            icon=":material/info:",
        )
        return False
    st.session_state.setdefault("model", "Taught" if session.use_taught else "Zero-shot")
    chosen = st.segmented_control("Prompts", ["Zero-shot", "Taught"], key="model", required=True)
    session.use_taught = chosen == "Taught"
    added = [name for name in names if name not in session.taught.names]
    if session.use_taught and added:
        st.caption(
            f"Added without training again: {text.markdown(text.joined(added))}. "
            "The learned prompts are put before a new name too."
        )
    return session.use_taught


def overview(session: Session, explanation: Explanation, note: str) -> None:
    """The photo, the answer and the probabilities."""
    left, right = st.columns([2, 3])
    with left:
        frame = view.frame_of(explanation)
        media.image(
            session.picture(explanation, "photo", lambda: view.encoded(view.photo(explanation, frame))),
            width="stretch",
            alt="The photo; a dashed frame marks what the model saw of it.",
            caption="The bright part is what the model sees." if _cropped(explanation) else None,
        )
    with right:
        found = explanation.probabilities
        best = explanation.label
        st.metric("Most probable", f"{text.markdown(best)}: {text.percent(found[best])}")
        _verdict(explanation, note)
        figure = charts.probabilities(found)
        media.chart(
            figure,
            key="probabilities",
            alt=f"Bars of the probabilities: {_in_words(found)}",
        )
        if len(found) > charts.MOST_BARS:
            st.caption(f"The {charts.MOST_BARS} most probable of {len(found)} classes.")
        if len(found) == 1:
            st.caption("With one class there is nothing to choose between. Name a second one.")


def change(before: Explanation, after: Explanation, session: Session) -> None:
    """What teaching changed: for this photo, and for the photos it learned from."""
    taught = session.taught
    if taught is None:
        return
    st.subheader("What teaching changed", anchor=False)
    left, right = st.columns([2, 3])
    best = after.label
    with left:
        gain = 100 * (after.probabilities[best] - before.probabilities[best])
        st.metric(
            f"This photo is {text.markdown(best)}",
            text.percent(after.probabilities[best]),
            f"{gain:+.1f} points",
            delta_color="off",
        )
        if after.temperature != 1:
            st.caption(
                "After teaching, probabilities are calibrated on held-out photos; before, they are often too sure."
            )
        if taught.accuracy_after is not None and taught.accuracy_before is not None:
            gain = 100 * (taught.accuracy_after - taught.accuracy_before)
            st.metric(
                f"Right on the {taught.shots} photos it learned from",
                f"{taught.accuracy_after:.0%}",
                f"{gain:+.0f} points",
            )
            st.caption("It has seen these photos: to judge it, show it others.")
    with right:
        figure = charts.before_after(before.probabilities, after.probabilities)
        media.chart(
            figure,
            key="change",
            alt=f"Before: {_in_words(before.probabilities)} After: {_in_words(after.probabilities)}",
        )


def class_choice(explanation: Explanation) -> str:
    """The class whose scores are shown."""
    options = [MOST_PROBABLE, *explanation.class_names]
    if st.session_state.get("class") not in options:
        st.session_state["class"] = MOST_PROBABLE
    chosen: str = st.selectbox(
        "Class explained", options, key="class", format_func=lambda name: name.replace("\u200b", "The ")
    )
    return explanation.label if chosen == MOST_PROBABLE else chosen


def global_prompts(explanation: Explanation, class_name: str, *, taught: bool) -> None:
    """A bar for each prompt that is matched with the whole photo."""
    scores = explanation.global_scores
    mine = [float(score) for score in scores[explanation.class_names.index(class_name)]]
    st.markdown(f"**Whole photo against {text.markdown(class_name)}**: the score of each global prompt")
    figure = charts.prompt_scores(mine, float(scores.max()))
    words = ", ".join(f"prompt {i}: {score:.3f}" for i, score in enumerate(mine, 1))
    media.chart(figure, key="global", alt=f"Bars of the global prompts' scores. {words}.")
    st.caption(
        f"Cosines from -1 to 1; their mean is {sum(mine) / len(mine):.4f}."
        + ("" if taught else ' Untaught, every prompt is "A photo of a", so they agree.')
    )


def scales(usual: Sequence[int]) -> tuple[int, ...]:
    """The k of each scale as the sliders stand; the sliders themselves are drawn by ``local_prompts``."""
    if st.session_state.pop("usual scales", False):
        reset_scales(usual)
    for prompt, k in enumerate(usual):
        st.session_state.setdefault(f"k {prompt}", k)
    return tuple(st.session_state[f"k {prompt}"] for prompt in range(len(usual)))


def reset_scales(topk: Sequence[int]) -> None:
    for prompt, k in enumerate(topk):
        st.session_state[f"k {prompt}"] = k


def local_prompts(session: Session, explanation: Explanation, class_name: str, defaults: Sequence[int]) -> None:
    """One overlay a scale, with its slider, its outlined regions and the sum check."""
    st.markdown(
        f"**Where it looked for {text.markdown(class_name)}**: each local prompt scores every region, and the mean of "
        "its k best regions, outlined, is its score. Move k: the answer above follows at once."
    )
    scale = view.limits(explanation, class_name)
    for start in range(0, len(explanation.topk), PANELS_A_ROW):
        row = range(start, min(start + PANELS_A_ROW, len(explanation.topk)))
        for prompt, column in zip(row, st.columns(PANELS_A_ROW), strict=False):
            with column:
                _panel(session, explanation, class_name, prompt, scale)
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        media.image(view.encoded(view.legend()), width=256, alt="Colour scale from dark violet, low, to yellow, high.")
        st.caption(f"Region scores from {scale[0]:.3f} (dark) to {scale[1]:.3f} (yellow), the same in every picture.")
    st.markdown(_sum(explanation, class_name))
    if tuple(defaults) != explanation.topk:
        usual = ", ".join(str(k) for k in defaults)
        right.button(f"Back to k = {usual}", on_click=reset_scales, args=(tuple(defaults),))


def _sum(explanation: Explanation, class_name: str) -> str:
    """How the class's score comes about."""
    row = explanation.class_names.index(class_name)
    whole, parts = float(explanation.global_scores[row].mean()), float(explanation.local_scores[row].mean())
    return (
        f"Together: the global prompts' mean {whole:.4f} and the local prompts' mean {parts:.4f} average to "
        f"**{(whole + parts) / 2:.4f}**, the score of {text.markdown(class_name)}. "
        "The probabilities compare the classes' scores."
    )


def numbers(explanation: Explanation) -> None:
    """Every figure as a table."""
    with st.expander("All numbers as a table", icon=":material/table:"):
        table: dict[str, Any] = {
            "class": list(explanation.class_names),
            "probability": list(explanation.probabilities.values()),
        }
        for m, column in enumerate(explanation.global_scores.T, 1):
            table[f"global {m}"] = column
        for n, column in enumerate(explanation.local_scores.T):
            table[f"local {n + 1}, k = {explanation.topk[n]}"] = column
        st.dataframe(pd.DataFrame(table).sort_values("probability", ascending=False), hide_index=True)


def _panel(session: Session, explanation: Explanation, class_name: str, prompt: int, scale: view.Limits) -> None:
    rows, columns = explanation.grid
    k = st.slider(f"Local prompt {prompt + 1}: k", 1, rows * columns, key=f"k {prompt}")
    regions = explanation.regions(class_name, prompt)
    frame = view.frame_of(explanation, view.CLOSE)
    picture = session.picture(
        explanation,
        (class_name, prompt),
        lambda: view.heat(view.photo(explanation, frame), frame, explanation, class_name, prompt, scale),
    )
    words = explanation.describe(class_name, prompt)
    media.image(
        view.encoded(view.outlined(picture, frame, explanation, class_name, prompt)),
        width="stretch",
        alt=f"Map of local prompt {prompt + 1}; its {len(regions)} best regions: {words}.",
    )
    mean = sum(region.score for region in regions) / len(regions)
    score = float(explanation.local_scores[explanation.class_names.index(class_name), prompt])
    same = abs(mean - score) < 1e-5
    st.markdown(
        f"k = {k}: mean of {len(regions)} region{'s' if len(regions) > 1 else ''} {mean:.4f} "
        + ("= the score" if same else f"is **not** the score, {score:.4f}")
    )
    st.caption(words[0].upper() + words[1:])


def _verdict(explanation: Explanation, note: str) -> None:
    """None of these, or not, or why that cannot be said."""
    threshold, out = explanation.threshold, explanation.is_ood
    if threshold is None or out is None:
        st.caption("Whether it is none of these cannot be said yet: the limit for that is found while teaching.")
        return
    scores = f"outlier score {explanation.ood_score:.3f}, limit {threshold:.3f}"
    more = f" {text.markdown(note[0].upper() + note[1:])}." if note else ""
    if out:
        st.warning(f"Perhaps none of these: {scores}.{more}", icon=":material/help:")
    else:
        st.caption(f":material/check: It is one of these, by its {scores}.{more}")


def _cropped(explanation: Explanation) -> bool:
    crop, (width, height) = explanation.crop, explanation.image.size
    return crop.left > 1 or crop.top > 1 or crop.right < width - 1 or crop.bottom < height - 1


def _in_words(found: dict[str, float]) -> str:
    names = charts.strongest(found)
    return ", ".join(f"{text.shorten(name)} {text.percent(found[name])}" for name in names) + "."
