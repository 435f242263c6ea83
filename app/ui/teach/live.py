"""A training while it runs and after: progress, curves, kept prompts, and a map that evolves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import streamlit as st

from app import charts, text
from app.jobs import NOT_BEGUN
from app.photos.archives import CardPlace, Member
from app.teaching.tasks import check_photos
from app.teaching.training import KeptPrompts, Point, Progress, Taught, WatchedStep
from app.ui.explanation import changes
from app.ui.resources import backbone, backbones
from app.ui.widgets.elements import chart, folded, made_on_click, problems_shown, progress_in_words
from app.ui.widgets.explainer import one_map
from app.ui.widgets.remembered import one_of
from app.visitor.session import Session, Where
from gallop.data.project_file import MOST_PHOTOS
from gallop.names.class_names import SOMETHING_ELSE

# A line costs nothing; charts and a map slow down the training that they show.
_STEP_SECONDS, _PICTURE_SECONDS = 0.3, 1.0


def train_button(session: Session) -> None:
    problem, busy = check_photos(session.photos.shots()), session.training.job is not None
    st.button(
        "Train again" if session.training.taught is not None else "Train",
        type="primary",
        disabled=bool(problem) or busy,
        width="stretch",
        key="train",
        on_click=setattr,  # it counts even if the visitor opened another page meanwhile
        args=(session.training, "asked", True),
    )
    if not busy and (words := session.training.expected()):
        st.caption(words)
    stale = session.training.stale()
    if problem and session.photos.deck.cards:
        st.caption(text.markdown(problem))
        if len(shots := session.photos.shots()) == 1 and all(shots.values()):
            how: Any = {"key": "something else", "on_click": _add_something_else, "args": (session,)}
            st.button("Tell it from something else", help="Adds a card with the sample's photos.", **how)
    elif stale and not busy:
        st.caption(f"Changed since training: {text.markdown(text.joined(stale))}.")
        _learn_at_once(session)


def _add_something_else(session: Session) -> None:
    from gallop.features.ordinary import ordinary_photos

    ((name, photos),) = session.photos.shots().items()
    paths = ordinary_photos(name, photos, backbone(session.training.backbone_name), session.photos.features())
    members = [Member(CardPlace(SOMETHING_ELSE, False, path.name), path) for path in paths[:MOST_PHOTOS]]
    with session.telling(Where.CARDS):
        session.photos.deck.add_photos(members)


def _learn_at_once(session: Session) -> None:
    count = len(session.training.new_photos())
    if not count:
        return
    words = "Let the head learn the new photo" if count == 1 else f"Let the head learn the {count} new photos"
    if st.button(
        words,
        icon=":material/bolt:",
        width="stretch",
        key="learn more",
        help="Immediate: no training runs, and the prompts do not change. Training with all photos may do better.",
    ):
        with problems_shown():
            backbone(session.training.backbone_name)  # nothing is encoded before it is loaded
            session.training.learn_more()
            st.rerun()


def panel(session: Session) -> None:
    if session.training.is_retraining:
        badge(session, moves=True)
    elif session.training.job is not None:
        _running(session)
        _watched(session)
    elif session.training.outcome is not None or session.training.taught is not None:
        _ended(session)


def badge(session: Session, *, moves: bool = False) -> None:
    """Draw one line while a training runs; its result is taken over as soon as it is there.

    Args:
        moves: whether the full page is drawn again for each answer of a live training, or, where drawing takes long, at
            its end.
    """
    job, live = session.training.job, session.training.is_retraining
    assert job is not None

    @st.fragment(run_every=_STEP_SECONDS if live else 2 * _PICTURE_SECONDS)
    def look() -> None:
        snapshot = job.snapshot()
        if job is not session.training.job or (
            session.training.has_news(snapshot) if moves or not live else not snapshot.active
        ):
            _draw_again(session)
        words = progress_in_words(job, snapshot).rstrip(".")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            where = "" if live else ". See the page *Teach*."
            st.caption(f":material/model_training: {words}{where}", width="content")
            if live:
                stop = session.training.stop_retraining
                st.button("Stop", type="tertiary", on_click=stop, key=f"cancel {job.number}")

    look()


def _draw_again(session: Session) -> NoReturn:
    """Draw the page again for news of the training, with the sentences that were shown: nobody has read them yet."""
    session.notices = session.shown | session.notices
    st.rerun()


def _watched(session: Session) -> None:
    photos = {
        f"{card.id} {photo.sha256}": (card.name, photo)
        for card in session.photos.deck.cards
        for photo in card.tests + card.shots
    }
    if not photos:
        return
    chosen = one_of(
        "Photo to watch while it learns",
        photos,
        "teach watched",
        next(iter(photos)),
        lambda key: f"{photos[key][0]}: {photos[key][1].name}",
    )
    session.training.watch.photo = photos[chosen][1]


def _running(session: Session) -> None:
    """Draw the progress, often, and the pictures, less often; when there is news the full page is drawn again."""
    job = session.training.job
    assert job is not None

    @st.fragment(run_every=_STEP_SECONDS)
    def far() -> None:
        snapshot = job.snapshot()
        if session.training.has_news(snapshot):
            _draw_again(session)
        words = progress_in_words(job, snapshot)
        st.progress((snapshot.progress or NOT_BEGUN).fraction, text=words)
        st.button(
            "Cancel, and keep what it has learned",
            on_click=job.cancel,
            disabled=job.stopping,
            key=f"cancel {job.number}",
        )

    @st.fragment(run_every=_PICTURE_SECONDS)
    def look() -> None:
        progress = job.snapshot().progress
        shown = progress if isinstance(progress, Progress) else Progress("encoding", 0, 0, [])
        _pictures(session, list(shown.history), shown.of_steps, shown.kept, shown.watched_steps)

    far()
    look()


def _ended(session: Session) -> None:
    changes.outcome(session)
    taught = session.training.taught
    if taught is None:
        return
    if caution := taught.after.calibration_.caution:
        st.caption(f":material/warning: {text.markdown(caution)}")
    changes.what_changed(session, told=True)
    _scores(session, taught)
    _more_photos(session)
    draw = partial(_pictures, session, list(taught.history), taught.of_steps, taught.kept, taught.watched_steps)
    folded("How it learned", ":material/show_chart:", "learned", draw)


def _scores(session: Session, taught: Taught) -> None:
    """Draw the accuracy; on test photos only as long as the cards have the same photos and the same classes."""
    scores, old = {"training photos": taught.on_shots}, session.training.tested_otherwise()
    if taught.on_tests.photos and not old:
        scores = {"test photos": taught.on_tests} | scores
    for (which, score), column in zip(scores.items(), st.columns(2), strict=False):
        if score.photos and score.after is not None and score.before is not None:
            column.metric(
                f"Right on {score.photos} {which}",
                text.share(score.after),
                text.gain(100 * (score.after - score.before), "zero-shot"),
            )
    if old and any(session.photos.tests().values()):
        st.caption("Test photos or classes have changed since training.")
        st.page_link("ui/test/page.py", label="Test it on the current photos", icon=":material/fact_check:")
    elif taught.on_shots.photos and (old or not taught.on_tests.photos):
        st.caption(
            "The model has seen these photos. Add test photos to the class cards to see how good it is on new ones."
        )


def _more_photos(session: Session) -> None:
    """Draw the learning curve of the photos on the cards, or the button that asks for it."""
    photos = {photo.sha256 for card in session.photos.deck.in_use for photo in card.shots}
    of = frozenset(photos), session.training.backbone_name
    curve = made_on_click(
        session,
        f"curve {hash(of)}",
        of,
        lambda: session.training.learning_curve(backbones(), of),
        "Computing the learning curve",
        "Would more photos help?",
        icon=":material/trending_up:",
        key="curve",
        disabled=bool(check_photos(session.photos.shots())),
        help="Holds out photos of your cards in turn, and lets the head learn from 1, 2, 4, ... of the others.",
    )
    if curve is not None:
        st.markdown(f"**Would more photos help?** {text.markdown(curve.words)}")
        chart(charts.growth(curve), key="growth", alt=f"Accuracy by the number of photos of each class. {curve.words}")


def _pictures(
    session: Session,
    history: Sequence[Point],
    steps: int,
    kept: KeptPrompts | None,
    watched_steps: Sequence[WatchedStep],
) -> None:
    """Draw curves, kept prompts and the map; for an opened run there are only the curves."""
    st.markdown("**Loss and accuracy**")
    chart(charts.learning(history, steps), key="learning", alt=charts.curve_in_words(history))
    busy = session.training.job is not None
    if busy or kept is not None:
        st.markdown(
            "**Prompt dropout**",
            help="Coloured: the prompts kept for each photo in this step. The others are dropped, so that the prompts "
            "learn to differ.",
        )
        chart(
            charts.kept_prompts(kept, kept.total if kept else session.training.settings.global_prompts),
            key="kept prompts",
            alt=charts.kept_in_words(kept),
        )
    if busy or watched_steps:
        st.markdown("**Where a local prompt looks**")
        _map(session, watched_steps, replay=not busy)


def _map(session: Session, watched_steps: Sequence[WatchedStep], *, replay: bool) -> None:
    """Draw the map after the last step, or after the step that a slider selects."""
    if not watched_steps:
        st.caption("The map appears with the first step.")
        return
    if not watched_steps[0].explanation.topk:
        st.caption("Without local prompts there is no map.")
        return
    watched = watched_steps[-1]
    if replay and len(watched_steps) > 1:
        steps = ["before", *(f"step {each.step}" for each in watched_steps[1:])]
        places = list(range(len(watched_steps)))
        watched = watched_steps[st.select_slider("Watch it learn", places, places[-1], format_func=steps.__getitem__)]
    explanation = watched.explanation
    # None, and no hash, once it is on no card.
    on_cards = ((card.name, photo) for card, _, photo in session.photos.deck.photos())
    of_class, photo = next((pair for pair in on_cards if pair[1].image is explanation.image), (None, None))
    name = of_class if of_class is not None and of_class in explanation.class_names else explanation.label
    one_map(
        explanation,
        name,
        photo=photo.sha256 if photo is not None else "",
        beside=[each.explanation for each in watched_steps],  # one scale for all steps
        key="watched map",
    )
    when = f"After step {watched.step}" if watched.step else "Before training"
    chance = text.percent(explanation.probabilities[name])
    st.caption(f"{when}: {text.markdown(name)} {chance}. Local prompt 1: {explanation.describe(name, 0)}.")
