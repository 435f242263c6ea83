"""The method on the photo that is shown, step by step, each drawn on the photo."""

import streamlit as st

from app.ui import resources
from app.ui.explanation import current
from app.ui.explanation.answer import session_photo_url
from app.ui.sample import offer
from app.ui.widgets import privacy
from app.ui.widgets.problems import ProblemsTold
from app.ui.widgets.steps import steps
from app.views import method
from gallop.maps.explainer.data import explainer_data
from gallop.maps.explainer.steps import steps_data

session = resources.session()

st.title("Method", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.markdown(
        "How a photo becomes an answer. Try every step: nothing else changes.",
        help="The photo, its classes, k and limit are those of the other pages. GalLoP is by Lafon and others (ECCV "
        "2024, [arXiv 2407.01400](https://arxiv.org/abs/2407.01400)).",
    )
photo = current.current_photo(session)
if photo is None:
    st.info("**Start here:** choose a photo on *Explore*.", icon=":material/add_photo_alternate:")
    offer.offer_sample(session)
else:
    with ProblemsTold(), st.spinner("Looking at the photo …", show_time=False):
        backbone = resources.backbone(session.training.tower)
        question = session.explore.question(session.training)
        classifier = session.answers.classifier(backbone, question)
        found = session.answers.explain(backbone, photo, question)
        stands = session.explore.stands(photo.sha256, found.grid).of(found)
        shown = explainer_data(found, stands=stands, photo=session_photo_url(session, found), asks=False)
        taught = session.training.taught if question.taught else None
        origins = method.origins(backbone, classifier.model_.config, question, taught)
        steps(steps_data(shown, found.image.size, found.crop, origins))
with st.expander("Notebooks, with code to change", icon=":material/menu_book:"):
    st.markdown(
        "`make notebooks` opens the folder beside the app.\n"
        + "\n".join(f"- `notebooks/{stem}.ipynb`: {words}" for stem, words in method.NOTEBOOKS.items())
    )
privacy.line()
