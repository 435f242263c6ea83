"""How photos of known classes are answered: accuracy, calibration, labels in doubt."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import charts, text
from app.photos import shelf
from app.ui.explanation.labels import Labels
from app.ui.widgets.elements import cells, chart, show_notice
from app.views import testing
from app.visitor.session import Session, Where


def show_accuracy(session: Session, tested: testing.Tested) -> None:
    evaluation = tested.evaluation
    left, right = st.columns([1, 2], gap="large")
    with left:
        points = 100 * (evaluation.accuracy.value - tested.zero_shot.value)
        photos = f"{evaluation.accuracy.of} test photo{'s' * (evaluation.accuracy.of != 1)}"
        st.metric(
            f"Accuracy on {photos}",
            text.share(evaluation.accuracy.value),
            text.gain(points, "zero-shot"),
            help="Counts the most probable class; the threshold for “none of these” is not used. Bars are Wilson 95 % "
            "intervals, which are wide for few photos. Compare only with thirty photos or more. Dashed: all photos.",
        )
        for sentence in testing.tests_changed(session):
            st.caption(f":material/info: {sentence}")
        if tested.elsewhere:
            st.caption(f":material/warning: {tested.elsewhere}")
        low, high = evaluation.accuracy.interval
        st.markdown(f"Likely accuracy on photos like these: **{100 * low:.0f} to {100 * high:.0f} %**")
    with right:
        words = "; ".join(
            f"{text.shorten(name)}: {charts.proportion_in_words(accuracy)}"
            for name, accuracy in evaluation.per_class.items()
        )
        chart(charts.classes(evaluation.per_class, evaluation.accuracy), key="classes", alt=f"Right by class. {words}.")
        if untested := [name for name in evaluation.class_names if name not in evaluation.per_class]:
            st.caption(f"Classes without test photos: {text.markdown(text.joined(untested))}.")


def calibration(tested: testing.Tested, temperature: float) -> None:
    evaluation = tested.evaluation
    st.caption(
        "Shows whether answers with a probability of 80 % are right 80 % of the time. Below the dashed line the "
        "model is overconfident, above it underconfident. Each point is a group of photos whose answers have a "
        "similar probability, larger with more photos; bars are 95 % intervals."
    )
    left, right = st.columns([1, 2], gap="large")
    error, chance = evaluation.calibration_error, evaluation.calibration_error_by_chance
    with left:
        st.metric(
            "Expected calibration error",
            f"{100 * error:.1f} points",
            help="How far the probability of the answer is from the fraction of right answers, averaged over "
            "the photos.",
        )
        verdict = " Do not rely on the model's percentages." if error > 1.5 * chance else ""
        fitted = (
            f"Its logits were divided by {temperature:.2f}, a temperature fitted on held-out photos during training."
            if temperature != 1
            else "No temperature was fitted during training, so its probabilities are the paper's, uncalibrated."
        )
        st.markdown(
            f"Expected by chance alone: **{100 * chance:.1f} points**.{verdict}",
            help="What perfectly calibrated answers would show with this many photos. " + fitted,
        )
    with right:
        words = "; ".join(
            f"{text.share(each.confidence)} sure, {charts.proportion_in_words(each.right)}" for each in evaluation.bins
        )
        chart(charts.reliability(evaluation.bins), key="reliability", alt=f"Reliability diagram. {words}.")


_MOST = 8


def hints(session: Session, tested: testing.Tested | None) -> None:
    st.header(
        "Labels to check",
        anchor=False,
        help="A photo on the wrong card teaches the wrong thing. Each training photo is judged by prompts trained "
        "without it: calibration splits the photos into parts and trains again without each part in turn. A test "
        "photo is judged by the current prompts, which never saw it. The rule is that of confident learning "
        "(Northcutt et al. 2021). A photo is a candidate for each class whose probability is at least the average "
        "over the photos of that class; its label is doubted when the most probable of these is another class. These "
        "are only hints: the photo may be hard, or the classes similar.",
    )
    taught = session.training.taught_model
    if taught.after.cross_fit_ is None:
        st.caption("Only test photos are judged.", help="No training photo was held out this time.")
    doubts, judged = testing.doubts(session, tested)
    remaining = [doubt for doubt in doubts if _still_there(session, doubt)]
    show_notice(session, Where.CORRECTION, undo=True)
    if not judged:
        st.caption("No label was checked: no photo was held out during training, and there are no test photos.")
        return
    if not remaining:
        st.markdown(f":material/check: Labels checked: {judged}. None is in doubt.")
        return
    st.markdown("Wrong label, or just hard?")
    for doubt, cell in zip(remaining, cells(min(len(remaining), _MOST), 4), strict=False):
        with cell:
            _doubt(session, doubt)
    if len(remaining) > _MOST:
        st.caption(f"And {len(remaining) - _MOST} more, whose labels are less doubtful.")


def _doubt(session: Session, doubt: testing.Doubt) -> None:
    name, given, likely = (text.markdown(text.shorten(x)) for x in (doubt.photo.name, doubt.given, doubt.likely))
    st.image(shelf.strip([doubt.photo], side=144), width="stretch", alt=doubt.photo.name)
    where = "training photo" if doubt.learned else "test photo"
    st.caption(f"{name} ({where}), labelled **{given}**")
    key = f"{doubt.photo.sha256} {doubt.likely}"
    with st.popover(f"Is it {likely}?"):
        by = "prompts trained without it" if doubt.learned else "the current prompts"
        st.markdown(
            f"Probabilities from {by}: {likely} {text.percent(doubt.of_likely)}, {given} "
            f"{text.percent(doubt.of_given)}. Photos labelled {likely} average {text.percent(doubt.usual)} for that "
            "class. This is the only evidence, so look at the photo."
        )
        confirmed = session.photos.confirmed_labels
        st.button(f"No, it is {given}", key=f"keep {key}", on_click=confirmed.add, args=(doubt.label,))
        st.button(f"Yes, move it to {likely}", key=f"relabel {key}", on_click=_relabel, args=(session, doubt))
    Labels(session, [doubt.photo], Where.CORRECTION, "doubt").menu()


def _still_there(session: Session, doubt: testing.Doubt) -> bool:
    """Return whether the photo is still where the doubt says: it may have been moved since."""
    card = session.photos.deck.find(doubt.given)
    return card is not None and any(
        photo.sha256 == doubt.photo.sha256 for photo in card.pile("shots" if doubt.learned else "tests")
    )


def _relabel(session: Session, doubt: testing.Doubt) -> None:
    if _still_there(session, doubt):
        move = partial(session.photos.relabel, name=doubt.likely)
        Labels(session, [doubt.photo], Where.CORRECTION, "doubt").act(move, doubt.likely)
