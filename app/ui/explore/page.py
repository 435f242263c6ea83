"""A photo, what it might be, and what decided: living from the first moment, on a sample."""

from functools import partial

import streamlit as st

from app.ui import resources
from app.ui.explanation import answer, tryout
from app.ui.explore import details, names, photos, settings
from app.ui.explore.prompts import taught_prompts
from app.ui.sample import offer
from app.ui.widgets import privacy, towers
from app.ui.widgets.explainer import explainer_beforehand
from app.ui.widgets.problems import ProblemsTold
from app.views import exploring
from app.visitor.question import Question

LOOKING_AHEAD = 0.5  # seconds of a run for the answers to the other photos

session = resources.session()
taught_before = bool(session.photos.deck.cards)

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.title("GalLoP Explorer", anchor=False, width="content")
    st.markdown("Which words fit a photo, and which regions of it decide.", width="content")
    label = "Back to your classes" if taught_before else "Teach it your own classes"
    onward = st.button(label, type="primary", icon=":material/school:", key="onward")
if onward:
    st.switch_page("ui/teach/page.py")
with st.container(horizontal=True):
    photos.upload()
    photos.more_ways()
    strip = st.container()
photo = exploring.photo_on_explore(session)
class_names = names.choose_names()
which_prompts, explained = st.container(), st.container()  # drawn after the settings, which stand below them
left, middle, right = st.columns(3)
with right:
    chosen_tower, templates = settings.folded_settings()
with which_prompts:  # of the tower that is chosen now
    taught = taught_prompts(session, class_names, photo)

question = Question(class_names, taught, templates) if class_names and templates else None
ahead = False
find = None
with explained:
    if photo is None:
        st.info("**Start here:** upload a photo.", icon=":material/add_photo_alternate:")
    elif question is None:
        if templates is not None:
            with ProblemsTold():
                names.suggestions(photo, class_names)
            answer.unnamed(photo)
    elif (known := exploring.answer_at_hand(session, photo, question)) is not None and not (
        session.explore.finer and session.answers.closer(photo, question)
    ):
        explainer_beforehand(known)
        find = partial(answer.standing, session, photo, question)
        with ProblemsTold():
            ahead = answer.follow_up(session, photo, question)
    else:
        own = photo.sha256 in session.photos.own
        with ProblemsTold():
            found, before = answer.explained_now(session, photo, question)
            towers.describe(session, chosen_tower)
            answer.show_answer(session, found, before, photo.sha256, answer.limit_note(session, question))
            ahead = answer.follow_up(session, photo, question)
            if own:
                names.suggestions(photo, class_names)
            find = partial(answer.standing, session, photo, question)
            if taught:
                stands = find()
                tryout.correction(session, photo, stands)
                assert before is not None
                answer.change(session, photo, before.with_topk(stands.topk), stands)
            ahead = ahead or (
                own
                and exploring.look_ahead(session, resources.backbone(session.training.tower), question, LOOKING_AHEAD)
            )
if find is not None and photo is not None and question is not None:
    with left:
        details.folded_numbers(question, find)
        details.shots_that_voted(photo, question, find)
    with middle:
        details.map_tested(photo, question, find)
with strip:
    photos.choose_from(photo, question)
offer.offer_sample(session)
privacy.line()
if ahead:
    st.rerun()
