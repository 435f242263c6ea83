"""Run A against run B: how good, how sure that is, what was set otherwise, and how it went."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import text
from app.charts import run_charts
from app.runs import run as of
from app.runs.run import Run
from app.ui.compare.run_table import pin_names
from app.ui.widgets import media


def versus(a: Run, b: Run) -> None:
    names, towers = pin_names((a, b)), of.towers_in_words(a, b)
    if towers:
        st.info(text.markdown(towers), icon=":material/info:")
    left, right = st.columns(2, gap="large")
    for column, label, run, other in ((left, "A", a, b), (right, "B", b, a)):
        with column:
            _metric(label, names[label], run, other)
    _verdict(a, b)
    left, right = st.columns(2, gap="large")
    if a.settings is not None and b.settings is not None:  # nothing is set for zero-shot
        with left:
            st.markdown("**What is set otherwise**")
            lines = of.differences(a, b)
            if lines:
                st.dataframe(pd.DataFrame(lines, columns=["what", "A", "B"]), hide_index=True, key="differences")
            else:
                st.caption("Nothing: the same settings, classes and photos.")
    histories = {f"{label}: {names[label]}": run for label, run in (("A", a), ("B", b)) if run.history}
    if histories:
        with right:
            st.markdown("**Loss**")
            shown = {text.plotly(label): run for label, run in histories.items()}
            media.chart(run_charts.losses(shown), key="losses", alt=run_charts.losses_in_words(histories))


def _metric(label: str, name: str, run: Run, other: Run) -> None:
    called = f"{label}: {text.markdown(name)}"
    photos = of.fair(run, other)
    found, reference = of.share(run, photos), of.share(other, photos)
    if found is None or reference is None:
        st.metric(called, "-")
        return
    low, high = found.interval
    points = 100 * (found.value - reference.value) if label == "A" else 0.0
    st.metric(f"{called}, right on {found.of} test photos", f"{100 * found.value:.1f} %", text.gain(points, "B", 1))
    st.caption(f"95 % interval: {100 * low:.0f} to {100 * high:.0f} %.")


def _verdict(a: Run, b: Run) -> None:
    """Whether the difference is more than chance, in plain words."""
    found = of.sign_test(a, b)
    if found is None:
        st.markdown("No photo tests both. Add test photos to the cards of *Teach* and train again.")
        return
    only_a, only_b, p = found
    if not only_a + only_b:
        st.markdown("Both are right and wrong at the same test photos.")
        return
    often = "fewer than 1 %" if p < 0.01 else f"{100 * p:.0f} %"
    chance = "is hardly chance" if p < 0.05 else "may well be chance"
    st.markdown(
        f"A alone is right on **{only_a}**, B alone on **{only_b}**, which {chance}.",
        help=f"If both were equally good, a split this uneven would occur in {often} of cases (McNemar's exact test). "
        "More test photos or seeds would tell.",
    )
