"""The method on the photo that is shown, step by step, each drawn on the photo."""

from typing import Any

import streamlit as st

from app.photos.sample_answers import SampleAnswer
from app.ui import projects, resources
from app.ui.explanation import current
from app.ui.widgets.elements import page_header, problems_shown
from app.ui.widgets.explainer import steps
from app.views import exploring, method
from app.visitor.page_state import Question
from gallop import Photo
from gallop.data.zip_files import zipped
from gallop.maps.explainer.payload import explainer_data, steps_data

session = resources.session()


def _beforehand(answer: SampleAnswer, question: Question) -> dict[str, Any]:
    state = session.explore.explainer_state(answer.sha256, answer.grid).of(answer)
    return steps_data(
        answer.shown | {"state": state.as_dict()}, answer.image.size, answer.crop, method.origins_beforehand(question)
    )


def _explained(photo: Photo, question: Question) -> dict[str, Any]:
    backbone = resources.backbone(session.training.backbone_name)
    classifier = session.answers.classifier(backbone, question)
    look = session.answers.explain(backbone, photo, question).looks[0]
    state = session.explore.explainer_state(photo.sha256, look.grid).of(look)
    shown = explainer_data(look, state=state, photo=session.answers.photo_url(look), asks=False)
    taught = session.training.taught if question.taught else None
    origins = method.origins(backbone, classifier.model_.config, question, taught)
    return steps_data(shown, look.image.size, look.crop, origins)


page_header("Method", "How a photo becomes an answer. What you change here changes no other page.")
added = current.current_photo(session)
if added is None:
    projects.offer_sample(session)
photo = added or exploring.photo_on_explore(session)
if photo is None:
    st.info("**Start here:** choose a photo on *Explore*.", icon=":material/add_photo_alternate:")
else:
    with problems_shown(), st.spinner("Looking at the photo …", show_time=False):
        question = session.explore.question(session.training)
        known = exploring.answer_at_hand(session, photo, question)
        steps(key="steps", data=_explained(photo, question) if known is None else _beforehand(known, question))
with st.expander(
    "Notebooks with code to edit", icon=":material/menu_book:", key="notebooks", on_change="rerun"
) as fold:
    if fold.open:
        st.markdown("\n".join(f"- `{stem}.ipynb`: {words}" for stem, words in method.NOTEBOOKS.items()))
        st.download_button(
            "Save the notebooks",
            lambda: zipped(method.notebook_files()),
            "notebooks.zip",
            "application/zip",
            key="save notebooks",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="Unpack them. Where this app is installed: `pip install 'gallop-explorer[notebooks]'`, `jupyter lab`.",
        )
