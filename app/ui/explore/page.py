"""A photo, class names, and what decided."""

import streamlit as st

from app.ui import resources
from app.ui.explanation import answer, faithful, scores, tryout
from app.ui.explore import inputs
from app.ui.sample import offer
from app.ui.widgets import privacy, towers
from app.ui.widgets.problems import ProblemsTold
from app.visitor.question import Question

session = resources.session()

st.title("GalLoP Explorer", anchor=False)
st.markdown("Drop in a photo, name some classes, and see which prompt and which regions of the photo decided.")

left, right = st.columns([1, 2], gap="large")
with left:
    photo = inputs.choose_photo()
    chosen_tower = towers.choose_tower(session)
    names = inputs.choose_names()
    taught = names is not None and inputs.taught_prompts(session, names)
    templates = inputs.templates()
    privacy.line()

explanation = before = None
with right:
    if photo is None:
        st.info("**Start here:** upload a photo, or take a sample.", icon=":material/add_photo_alternate:")
        st.markdown(
            "What you will see then:\n"
            "- how probable each class is, for any words you type, without any training;\n"
            "- the score of each *global prompt*, which is matched with the whole photo;\n"
            "- for each *local prompt* a map of where it looked, with exactly the regions that entered its score;\n"
            "- what any region of the photo looks like to the model: click it.\n\n"
            "Then teach it classes of your own with a handful of photos."
        )
        offer.offer_sample(session)
        st.page_link("ui/teach/page.py", label="On to classes of your own", icon=":material/school:")
    elif names is not None and templates is not None:
        with ProblemsTold():
            with st.spinner("Looking at the photo …", show_time=False):
                backbone = resources.backbone(session.training.tower)
                question = Question(names, taught, templates)
                classifier = session.answers.classifier(backbone, question)
                found = session.answers.explain(backbone, photo, question)
                if taught:
                    before = session.answers.explain(backbone, photo, Question(names, like_taught=True))
            towers.describe(session, chosen_tower)
            answer.show_answer(session, found, before, photo.sha256, session.limit.note(question, classifier))
            stands = session.explore.stands(photo.sha256, found.grid).of(found)
            explanation = found.with_topk(stands.topk)
            if taught:
                tryout.correction(session, photo, explanation)

if explanation is not None and photo is not None and templates is not None:
    if before is not None:
        answer.change(session, before.with_topk(stands.topk), explanation)
    st.header("What decided", anchor=False)
    name = stands.class_name or explanation.label
    alike = not taught and len(templates) == 1
    left, right = st.columns(2, gap="large")
    with left:
        scores.global_prompts(explanation, name, alike=alike)
        scores.together(explanation, name)
    if explanation.topk:
        with right:
            faithful.faithful(session, classifier, explanation, name, (photo.sha256, question))
    scores.numbers(explanation)
    onward = "Back to your classes" if session.photos.deck.cards else "On to classes of your own"
    st.page_link("ui/teach/page.py", label=onward, icon=":material/school:")
