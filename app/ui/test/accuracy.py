"""How often it is right, for which classes, and as sure as it may be."""

from __future__ import annotations

import streamlit as st

from app import text
from app.charts import test_charts
from app.ui.test.scales import tuned_note
from app.ui.widgets import media
from app.views.testing import Tested
from app.visitor.session import Session
from gallop.evaluation.intervals import Share


def show_accuracy(session: Session, tested: Tested) -> None:
    """The share that is right, with its interval, for all photos and for each class."""
    found = tested.evaluation
    st.header("Accuracy", anchor=False)
    left, right = st.columns([1, 2], gap="large")
    with left:
        points = 100 * (found.accuracy.value - tested.zero_shot.value)
        photos = f"{found.accuracy.of} test photo{'s' * (found.accuracy.of != 1)}"
        st.metric(f"Right on the {photos}", _percent(found.accuracy), text.gain(points, "zero-shot"))
        tuned_note(session, tested)
        low, high = found.accuracy.interval
        st.markdown(
            f"{found.accuracy.right} of {found.accuracy.of}. On other photos like these: **{low:.0%} to {high:.0%}**.",
            help="Wilson's 95 % interval, as wide as few photos make it. Thirty or more make a test worth comparing.",
        )
    with right:
        words = "; ".join(
            f"{text.shorten(name)}: {test_charts.share_in_words(share)}" for name, share in found.per_class.items()
        )
        media.chart(
            test_charts.classes(found.per_class, found.accuracy), key="classes", alt=f"Right by class. {words}."
        )
        st.caption("Each class with its 95 % interval. Dashed: all photos.")
        untested = [name for name in found.class_names if name not in found.per_class]
        if untested:
            st.caption(f"Without test photos: {text.markdown(text.joined(untested))}.")


def calibration(tested: Tested, temperature: float) -> None:
    """Whether 80 % sure is right 80 % of the time."""
    found = tested.evaluation
    st.header("Calibration", anchor=False, help="Whether 80 % sure is right 80 % of the time.")
    left, right = st.columns([1, 2], gap="large")
    error, chance = found.calibration_error, found.calibration_error_by_chance
    with left:
        st.metric(
            "Expected calibration error",
            f"{100 * error:.1f} points",
            help="How far the probability of its answer is from the share that is right, on average over the photos.",
        )
        more = error > 1.5 * chance
        verdict = (
            "More than chance explains: do not take its percentages at their word." if more else "Chance may do it."
        )
        fitted = (
            f"Its logits were divided by {temperature:.2f}, a temperature found on held-out photos while teaching."
            if temperature != 1
            else "No temperature was fitted while teaching: its probabilities are the paper's, uncalibrated."
        )
        st.markdown(
            f"By chance alone: **{100 * chance:.1f} points**. {verdict}",
            help="What answers that are exactly as sure as they may be would show with this many photos. " + fitted,
        )
    with right:
        words = "; ".join(
            f"{each.confidence:.0%} sure, {test_charts.share_in_words(each.right)}" for each in found.bins
        )
        media.chart(test_charts.reliability(found.bins), key="reliability", alt=f"Reliability diagram. {words}.")
        st.caption(
            "Below the dashed line it is surer than it may be, above it less sure.",
            help="Each point gathers photos with answers of like probability; the larger it is, the more. Bars: 95 % "
            "intervals.",
        )


def _percent(share: Share) -> str:
    return f"{100 * share.value:.0f} %"
