"""The answer for one photo: the explainer, what teaching changed, a correction, who voted, and the numbers behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import pandas as pd
import streamlit as st

from app import charts, text
from app.library import Deletion, Explanation
from app.photos import shelf
from app.ui.explanation.current import photo_in_browser
from app.ui.explanation.labels import Labels
from app.ui.resources import backbone, backbones, session
from app.ui.widgets.elements import chart, folded, made_on_click, show_notice
from app.ui.widgets.explainer import explainer
from app.views import evidence
from app.visitor.page_state import AskedRegion, PhotoEdit, Question
from app.visitor.session import Session, Where
from gallop import Photo
from gallop.config import HEADS
from gallop.model.scores import VERDICT
from gallop.wording import counted


def explained_now(session: Session, photo: Photo, question: Question) -> tuple[Explanation, Explanation | None]:
    """Return a photo explained at the model's scales and, where taught prompts answer, also by the run before, or
    before teaching where no run is comparable.

    Where answers are the mean of two looks, the answer of the first is returned, and ``follow_up`` takes the second.

    Raises:
        BackboneLoading, BackboneProblem, GallopError: there is no answer yet, or there cannot be one.
    """
    with st.spinner("Looking at the photo …", show_time=False):
        frozen = backbone(session.training.backbone_name)
        explain, _ = session.answers.ways(frozen, photo, question, second_look=bool(session.explore.second_look))
        explanation = explain(frozen, photo, question)
        if not question.taught:
            return explanation, None
        asked = session.answers.before(question)
        words = session.answers.words_of(frozen, photo, question)
        if any(
            len(each.looks) != len(explanation.grids) for each in words.values()
        ):  # of a look for maps there are none
            words = {}
        return replace(explanation, words=words), explain(frozen, photo, asked)


def follow_up(session: Session, photo: Photo, question: Question) -> bool:
    """Take a second look at a photo if one is still missing, for answers or finer maps, and then the taught prompts'
    scores of the class shown apart into words; return whether anything was missing.

    Raises as ``explained_now``.
    """
    if not (session.explore.second_look or question.taught):  # only taught prompts take a second look by default
        return False
    if session.training.is_retraining:  # the next answer is on its way
        return False
    frozen = backbone(session.training.backbone_name)
    explain, missing = session.answers.ways(frozen, photo, question, second_look=bool(session.explore.second_look))
    if missing is None:
        known, chosen = session.answers.words_of(frozen, photo, question), session.explore.explainer.class_name
        shown = chosen if chosen in question.names else explain(frozen, photo, question).label
        if not question.taught or shown in known:
            return False
        session.answers.words_of(frozen, photo, question, shown)
        return True
    asked = [session.answers.before(question), question] if question.taught else [question]
    for each in asked:
        missing(frozen, photo, each)
    return True


def covered_now(
    session: Session, photo: Photo, question: Question, edit: PhotoEdit, explanation: Explanation
) -> Explanation:
    """Return the explanation with the regions covered that the visitor covered. Raises as ``explained_now``."""
    if edit.grid != explanation.grid or not edit.regions:
        return explanation
    return session.answers.covered(
        backbone(session.training.backbone_name), photo, question, explanation, edit.regions, edit.fill
    )


def explained_at_current_k(session: Session, photo: Photo, question: Question) -> Explanation:
    """Return a photo explained at the current k. Raises as ``explained_now``."""
    explanation, _ = explained_now(session, photo, question)
    return (
        explanation.with_topk(session.explore.explainer_state(photo.sha256, explanation.grid).of(explanation).topk)
        if explanation.topk
        else explanation
    )


def show_answer(
    session: Session,
    explanation: Explanation,
    before: Explanation | None,
    photo: Photo,
    note: str,
    templates: Sequence[str] = (),
) -> None:
    """Draw the photo explained: its map, the most probable class and the probabilities.

    Args:
        explanation: at the model's scales; so is ``before``, the same before teaching, or before regions were covered.
        note: the origin of the threshold for none of these.
        templates: texts of prompts that were not learned.
    """
    asked = session.answers.before(Question(explanation.class_names, taught=True))
    explainer(
        explanation,
        before,
        photo=photo.sha256,
        edit=session.edit.on(photo.sha256, explanation.grid),
        when="in the run before" if asked.earlier else "before teaching",
        templates=templates,
    )
    if explanation.threshold is not None and note:
        st.caption(f"{text.markdown(note[0].upper() + note[1:])}.")
    if len(explanation.class_names) == 1:
        st.caption("With only one class there is nothing to choose between. Enter a second class.")


def change(session: Session, photo: Photo, before: Explanation, after: Explanation) -> None:
    """Draw what training changed for this photo and for the training photos; the explainer's bars show each class.

    A photo on a card is of its class. For one that may be none of the classes, more of one of them is no gain.
    """
    taught = session.training.taught_model
    earlier = session.answers.before(Question(after.class_names, taught=True)).earlier
    st.header("What training changed", anchor=False)
    left, right = st.columns(2, gap="large")
    place = session.photos.place_of(photo)
    known = place is not None and place[0].name in after.class_names
    best = place[0].name if place is not None and known else after.label
    was, now = before.probabilities[best], after.probabilities[best]
    if not known and (after.is_ood or after.doubt):
        right = left
    else:
        left.metric(
            f"This photo is {text.markdown(best)}",
            text.percent(now),
            text.gain(100 * (now - was), "the run before" if earlier else "zero-shot", 1),
            help=None if earlier else "Zero-shot: before anything was learned.",
        )
    unseen = bool(taught.on_tests.photos)
    score = taught.on_tests if unseen else taught.on_shots
    if score.before is not None and score.after is not None:
        right.metric(
            f"Accuracy on {score.photos} {'test' if unseen else 'training'} photos",
            text.share(score.after),
            text.gain(100 * (score.after - score.before), "zero-shot"),
            help=None if unseen else "The model has seen these photos. Use other photos to judge it.",
        )


def correction(session: Session, photo: Photo, explanation: Explanation) -> None:
    """Draw buttons to correct a label: one click makes the photo a training photo or one of none of the classes."""
    st.markdown(f"Wrong? Then **{text.markdown(text.shorten(photo.name, 60))}** is really …")
    labels = Labels(session, [photo], Where.CORRECTION, "really", lambda name: _is_shown(session, photo, name))
    with st.container(key="correction"):
        labels.offer(explanation.class_names, folded=True)
    show_notice(session, Where.CORRECTION)


def _is_shown(session: Session, photo: Photo, name: str) -> bool:
    """Return whether this photo is still the one chosen; if not, report that nothing was done."""
    if photo_in_browser() == photo.sha256:
        return True
    session.tell(
        Where.CORRECTION,
        f"The photo just changed, so {photo.name} was not labelled {name}. Check the answer and correct it again.",
        "info",
    )
    return False


# How many photos are shown, the pixels of each, and its width: three side by side on a phone.
_SHOWN, _SIDE, _WIDE = 8, 120, 88


def _row(pictures: Iterable[tuple[Any, str, float, str]]) -> None:
    """Draw pictures side by side, each with its text alternative, and below it what it adds and its name."""
    with st.container(horizontal=True, gap="small"):
        for picture, alt, adds, name in pictures:
            with st.container(width=_WIDE, gap="small"):
                st.image(picture, width="stretch", alt=alt)
                st.caption(f"{adds:+.4f}, {text.markdown(text.shorten(name, 24))}")


def where_else(
    session: Session, photo: Photo, question: Question, asked: AskedRegion | None, class_name: str | None
) -> None:
    """Draw the button that looks for a region in the visitor's other photos, or what it has found.

    Args:
        asked: the region; without one nothing is drawn, nor where there are no other photos.
        class_name: the class explained; the most probable one if None.
    """
    others, state = session.photos.others(photo), (session.training.version, session.photos.deck.changes)
    if asked is None or len(question.names) < 2 or not others:
        return
    key = photo.sha256, question, asked, class_name, state
    found = made_on_click(
        session,
        "where else",
        key,
        lambda: evidence.where_else(session, backbones(), photo, question, asked, class_name, key),
        "Looking for regions like it",
        "Where else is this?",
        key="where else",
        type="tertiary",
        icon=":material/image_search:",
        help=f"The regions most like the one selected, one a photo, in {counted(len(others), 'photo')} on the cards or "
        "uploaded, by the features that the model sees; and what each adds to its photo's score.",
    )
    if found is not None:
        st.markdown(f"What the regions most like it add to their photos' scores for {text.markdown(found[0])}:")
        _row(found[1])


def _votes_of(explanation: Explanation, branch: str, learned: Sequence[tuple[Photo, str]], class_name: str) -> None:
    """Draw the photos that add most to the score of a class, or take most from it.

    Args:
        learned: photos and their classes, in the order of the shots.
    """
    voted, row, title = explanation.votes[branch], explanation.class_names.index(class_name), HEADS[branch].title
    given, shown = voted.shots[:, row].tolist(), voted.strongest(row, _SHOWN)
    st.markdown(f"These training photos raise or lower the {title}'s score for {text.markdown(class_name)} most.")
    _row((shelf.strip([photo], side=_SIDE), photo.name, given[i], name) for i in shown for photo, name in [learned[i]])
    others = sum(given) - sum(given[i] for i in shown)
    more = f" the other {len(given) - len(shown)} photos add {others:+.4f}, and" if len(given) > len(shown) else ""
    rest = round(float(voted.rest[row]), 4) + 0.0  # no minus before a zero
    source = "comes from the class names" if voted.named else "does not come from any photo"
    st.caption(
        f"In addition,{more} {rest:+.4f} {source}. Altogether, the {title}'s score is "
        f"{float(explanation.branch_scores[branch][row]):.4f}."
    )


# Returns the explanation at the current k.
Find = Callable[[], "Explanation"]


def explained_class(explanation: Explanation, chosen: str | None) -> str:
    return chosen if chosen in explanation.class_names else explanation.label


def shots_that_voted(photo: Photo, question: Question, find: Find, chosen: str | None) -> None:
    """Draw the training photos that voted for or against a class, in an expander.

    Args:
        chosen: the class; if it is none of the explanation's, the most probable one.
    """
    taught = session().training.taught
    if taught is None or not question.taught or not any(branch.how.votes for branch in taught.after.model_.branches):
        return

    def draw() -> None:
        explanation, learned = find(), session().training.learned
        if not explanation.votes and learned:
            with st.spinner("Looking at the training photos"):
                explanation = replace(explanation, votes=session().answers.votes(photo, question))
        branches = [branch for branch, voted in explanation.votes.items() if len(learned) == len(voted.labels)]
        if not branches:
            st.caption(
                "Votes can only be shown for a model that was trained here, and only while all its training photos "
                "are on the class cards on *Teach*."
            )
        for branch in branches:
            _votes_of(explanation, branch, learned, explained_class(explanation, chosen))

    folded("Shots that voted", ":material/how_to_vote:", "votes", draw)


# The numbers behind the picture, drawn once their expander is opened -------------------------------------------------


def together(explanation: Explanation, class_name: str) -> None:
    row, found = explanation.class_names.index(class_name), explanation.answers
    alone = {name: float(scores[0, row]) for name, scores in found.kinds.items()}
    words, score = f"the global prompts' mean {alone['global']:.4f}", float(found.scores[0, row])
    if explanation.topk:
        words += f" and the local prompts' mean {alone['local']:.4f} average to {float(found.prompts[0, row]):.4f}"
    for branch in explanation.branches:
        words += (
            f"; the {HEADS[branch].title}, trained on the photos directly, has {alone[branch]:.4f} and a weight "
            f"of {found.weights[branch]:.2f}"
        )
    st.markdown(
        f"Together: {words}. Overall, the score of {text.markdown(class_name)} is **{score:.4f}**. "
        "The probabilities are computed from the scores of all classes."
    )


def numbers(explanation: Explanation, *, alike: bool) -> None:
    """Draw a line for each class: its probability and every score; of prompts that are ``alike`` only one."""
    table: dict[str, Any] = {
        "class": list(explanation.class_names),
        "probability": list(explanation.probabilities.values()),
    }
    for m, column in enumerate(explanation.global_scores.T[: 1 if alike else None], 1):
        table[f"global {'' if alike else m}".strip()] = column
    for n, column in enumerate(explanation.local_scores.T):
        table[f"local {n + 1}, k = {explanation.topk[n]}"] = column
    table |= {HEADS[branch].title: scores for branch, scores in explanation.branch_scores.items()}
    st.dataframe(pd.DataFrame(table).sort_values("probability", ascending=False), hide_index=True)
    limit = (
        ""
        if explanation.threshold is None
        else f", and the threshold for “none of these” is {explanation.threshold:.4f}"
    )
    st.caption(
        f"Scores are cosines, from -1 to 1. The outlier score ({VERDICT}) is {explanation.ood_score:.4f}{limit}."
    )


def _show(curve: Deletion) -> None:
    by_map, others = curve.area_by_map, curve.areas_at_random
    chart(
        charts.deletion_curve(curve),
        key="deletion",
        alt=f"The score as regions are removed. Area {by_map:.4f} under the map's curve, {fmean(others):.4f} under the "
        "random ones.",
    )
    if by_map < min(others):
        verdict = "Smaller than every random one: the map shows what the score depends on."
    elif by_map < fmean(others):
        verdict = "Smaller than the random ones on average, but not than each: the map shows part of it."
    else:
        verdict = "Not smaller than at random: here the map does not show what the score depends on."
    st.markdown(
        f"Area under the curve: **{by_map:.4f}** for the map, **{fmean(others):.4f}** on average for random orders "
        f"({min(others):.4f} to {max(others):.4f}). {verdict}"
    )


def all_numbers(question: Question, find: Find, cover: Callable[[Explanation], Explanation]) -> None:
    """Draw the table; ``cover`` covers regions as the explainer shows them."""
    explanation = cover(find())
    together(explanation, explained_class(explanation, session().explore.explainer.class_name))
    numbers(explanation, alike=not question.taught and len(question.templates) == 1)


def map_tested(session: Session, photo: Photo, question: Question, find: Find) -> None:
    """Draw the deletion curve of the map shown, or the button that asks for it."""
    explanation = find()
    if not explanation.topk and not explanation.branches:
        st.caption("Without local prompts there is no map.")
        return
    name = explained_class(explanation, session.explore.explainer.class_name)
    st.markdown(
        f"**Is the map of {text.markdown(name)} right?** If so, removing its best regions makes the score drop fast."
    )
    key = (photo.sha256, question, name, explanation.topk, explanation.grid, session.training.version)
    curve = made_on_click(
        session,
        f"deletion {hash(key)}",  # each curve that was made stays
        key,
        lambda: evidence.deletion(session, backbones(), question, explanation, name, key),
        "Removing regions",
        "Remove regions",
        key="remove regions",
        icon=":material/blur_on:",
    )
    if curve is None:
        st.caption(
            "This encodes the photo about fifty times with different regions blurred, which takes a few seconds."
        )
    else:
        _show(curve)
