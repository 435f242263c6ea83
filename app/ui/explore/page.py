"""A photo, what it might be, and what decided: ready from the first moment, on a sample."""

from functools import partial

import streamlit as st

from app.ui import projects, resources
from app.ui.explanation import answer, changes, current, tune
from app.ui.explore import question
from app.ui.export import dialog
from app.ui.teach import live
from app.ui.widgets import backbone_choice
from app.ui.widgets.elements import folded, onward, page_header, photo_strip, problems_shown, verdicts_of
from app.ui.widgets.explainer import explainer_beforehand
from app.views import exploring
from app.visitor.page_state import Question

MORE_WIDE, UNNAMED_WIDE = 210, 420  # pixels
WHAT_IT_IS = "GalLoP compares photos, part by part, with texts"
LOOKING_AHEAD = 0.5  # seconds of a run for the answers to the other photos

session = resources.session()


take_away = partial(dialog.button, session, dialog.EXPLORE)
to_teach = "Back to your classes" if session.photos.deck.cards else "Teach it your own classes"
teach = partial(onward, to_teach, "ui/teach/page.py", ":material/school:")
page_header("GalLoP Explorer", WHAT_IT_IS, take_away, teach, leads="ui/method/page.py")
with st.container():
    verdicts_of("photos", "folder", "webcam")
with st.container(horizontal=True):
    question.upload()
    with st.container(width=MORE_WIDE):
        question.more_ways()
        projects.offer_sample(session, narrow=True)
    strip = st.container()
photo = exploring.photo_on_explore(session)
which_names = st.container()  # drawn when the photo has some
which_prompts, explained = st.container(), st.container()  # drawn after the settings, which are below them
standing, typed = explained.empty(), question.names_by_hand()
if photo is not None and session.explore.names is None and not session.explore.names_on(session.photos):
    with standing.container(), problems_shown():
        st.image(photo.image, alt=photo.name, width=UNNAMED_WIDE)
        with (
            st.spinner("Looking at the photo …", show_time=False),
            resources.holding(session.training.backbone_name) as lent,
        ):
            exploring.suggest(session, lent, photo)
        standing.empty()
with which_names:
    class_names = question.choose_names(typed)
table = st.container()
left, *others = st.columns(3 if session.training.taught is not None else 2)
middle, right = others[0], others[-1]  # the one in the middle is for shots that voted
with right:
    chosen_backbone, templates = question.folded_settings()
with which_prompts:  # of the backbone that is chosen now
    taught = question.taught_prompts(session, class_names, photo)

edit = session.edit.on("" if photo is None else photo.sha256)
part = None if photo is None else exploring.part_of(session, photo, edit.part)
asked = Question(class_names, taught, templates) if class_names and templates else None
ahead = False
find, beside, below = None, None, explained  # the answer
with explained:
    if photo is None or part is None:
        st.info("**Start here:** upload a photo.", icon=":material/add_photo_alternate:")
    elif asked is None:
        if session.explore.names is not None:
            st.image(photo.image, alt=photo.name, width=UNNAMED_WIDE)
    elif (known := exploring.answer_at_hand(session, photo, asked)) is not None and not (
        not edit.untouched or (session.explore.second_look and session.answers.has_second_look(photo, asked))
    ):
        explainer_beforehand(known)
        find = partial(answer.explained_at_current_k, session, photo, asked)
        with problems_shown():
            ahead = answer.follow_up(session, photo, asked)
    else:
        with problems_shown():
            explanation, before = answer.explained_now(session, part, asked)
            covered = answer.covered_now(session, part, asked, edit, explanation)
            backbone_choice.describe(session, chosen_backbone)
            backbone = resources.backbone(session.training.backbone_name)
            note = session.limit.note(asked, session.answers.classifier(backbone, asked))
            shown = exploring.in_whole(photo, edit.part, covered)
            said = () if taught else asked.templates
            if not taught:
                question.way_on(session, photo, shown)
            answer.show_answer(session, shown, before if covered is explanation else explanation, photo, note, said)
            below = st.container()
            if not taught:
                question.more_names(session, backbone)
                backbone_choice.offer_better(session, shown)
            ahead = answer.follow_up(session, part, asked)
            find = partial(answer.explained_at_current_k, session, part, asked)
            if taught:
                beside = tune.beside_the_answer(session)
                at_k = find()
                answer.correction(session, photo, at_k)
                changes.train_now(session)
                assert before is not None
                answer.change(session, photo, before.with_topk(at_k.topk), at_k)
                changes.what_changed(session)
            if photo.sha256 in session.photos.uploaded:
                ahead = ahead or exploring.look_ahead(session, backbone, asked, LOOKING_AHEAD)
if find is not None and part is not None and asked is not None:
    with below:
        region = session.explore.region if photo is not None and session.explore.region_of == photo.sha256 else None
        answer.where_else(session, part, asked, region, session.explore.explainer.class_name)
    with table:
        cover = partial(answer.covered_now, session, part, asked, edit)
        numbers = partial(answer.all_numbers, asked, find, cover)
        folded("All numbers in a table", ":material/table:", "numbers", numbers)
    with left:
        folded(
            "Is the map right?", ":material/blur_on:", "right", partial(answer.map_tested, session, part, asked, find)
        )
    with middle:
        answer.shots_that_voted(part, asked, find, session.explore.explainer.class_name)
with strip:
    chosen, tiles = photo.sha256 if photo is not None else None, exploring.tiles(session, photo, asked)
    photo_strip("photo strip", tiles, chosen, current.show_photo, take_away=question.take_away)
if session.training.is_retraining:
    with beside or st.container():
        live.badge(session, moves=True)
dialog.shown(session, dialog.EXPLORE)
if ahead:
    st.rerun()
