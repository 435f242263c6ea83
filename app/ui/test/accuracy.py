"""How often it is right, for which classes, and as sure as it may be."""

from __future__ import annotations

import streamlit as st

from app import text
from app.charts import test_charts
from app.ui.test.scales import tuned_note
from app.ui.widgets import media
from app.views import testing
from app.views.testing import Tested
from app.visitor.session import Session
from gallop.evaluation.intervals import Share


def show_accuracy(session: Session, tested: Tested) -> None:
    """The share that is right, with its interval, for all photos and for each class."""
    found = tested.evaluation
    st.header(
        "Accuracy",
        anchor=False,
        help="By the nearest class, whatever the limit for none of these says. Bars are Wilson's 95 % intervals, as "
        "wide as few photos make them. Thirty or more make a test worth comparing. Dashed: all photos.",
    )
    left, right = st.columns([1, 2], gap="large")
    with left:
        points = 100 * (found.accuracy.value - tested.zero_shot.value)
        photos = f"{found.accuracy.of} test photo{'s' * (found.accuracy.of != 1)}"
        st.metric(f"Right on the {photos}", _percent(found.accuracy), text.gain(points, "zero-shot"))
        tuned_note(session, tested)
        for sentence in testing.tests_changed(session):
            st.caption(f":material/info: {sentence}")
        low, high = found.accuracy.interval
        st.markdown(f"On photos like these: **{100 * low:.0f} to {100 * high:.0f} %**")
    with right:
        words = "; ".join(
            f"{text.shorten(name)}: {test_charts.share_in_words(share)}" for name, share in found.per_class.items()
        )
        media.chart(
            test_charts.classes(found.per_class, found.accuracy), key="classes", alt=f"Right by class. {words}."
        )
        untested = [name for name in found.class_names if name not in found.per_class]
        if untested:
            st.caption(f"Without test photos: {text.markdown(text.joined(untested))}.")


def calibration(tested: Tested, temperature: float) -> None:
    """Whether 80 % sure is right 80 % of the time."""
    found = tested.evaluation
    st.header(
        "Calibration",
        anchor=False,
        help="Whether 80 % sure is right 80 % of the time. Below the dashed line it is surer than it may be, above it "
        "less sure. Each point gathers photos with answers of like probability, the larger the more; bars are 95 % "
        "intervals.",
    )
    left, right = st.columns([1, 2], gap="large")
    error, chance = found.calibration_error, found.calibration_error_by_chance
    with left:
        st.metric(
            "Expected calibration error",
            f"{100 * error:.1f} points",
            help="How far the probability of its answer is from the share that is right, on average over the photos.",
        )
        more = error > 1.5 * chance
        verdict = " Do not take its percentages at their word." if more else ""
        fitted = (
            f"Its logits were divided by {temperature:.2f}, a temperature found on held-out photos while teaching."
            if temperature != 1
            else "No temperature was fitted while teaching: its probabilities are the paper's, uncalibrated."
        )
        st.markdown(
            f"By chance alone: **{100 * chance:.1f}**.{verdict}",
            help="What answers that are exactly as sure as they may be would show with this many photos. " + fitted,
        )
    with right:
        words = "; ".join(
            f"{each.confidence:.0%} sure, {test_charts.share_in_words(each.right)}" for each in found.bins
        )
        media.chart(test_charts.reliability(found.bins), key="reliability", alt=f"Reliability diagram. {words}.")


def _percent(share: Share) -> str:
    return f"{100 * share.value:.0f} %"
