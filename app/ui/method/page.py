"""The method on the photo that is shown, step by step, with its numbers."""

import pandas as pd
import streamlit as st

from app.ui import resources
from app.ui.explanation import current
from app.ui.explanation.answer import session_photo_url
from app.ui.widgets import privacy
from app.ui.widgets.problems import ProblemsTold
from app.ui.widgets.region_grid import asked, region_grid
from app.ui.widgets.remembered import one_of
from app.views import method
from app.visitor.page_state import MethodState
from gallop.maps.region_grid.panel import answer_panel

_MOST_PROBABLE = "\u200bmost probable"  # cleaned class names hold no zero-width characters
_FURTHER = {
    "08_another_domain": "photos of another kind than those it learned from",
    "09_debugging_alignment": "when a map lights up at the wrong place",
    "10_your_own_data": "the same with a folder of your own",
}

session = resources.session()

st.title("Method", anchor=False)
st.markdown(
    "How a photo becomes an answer, and what is learned, on your own photo: every number below is the one that was "
    "computed for it. GalLoP is by Lafon and others (ECCV 2024, [arXiv 2407.01400](https://arxiv.org/abs/2407.01400))."
)
left, right = st.columns([1, 2], gap="large")
with left:
    photo = current.current_photo(session)
    found = None
    if photo is None:
        st.info(
            "**Start here:** choose a photo on the page *Explore*, or take a sample there.",
            icon=":material/add_photo_alternate:",
        )
        st.page_link("ui/explore/page.py", label="On to a photo", icon=":material/travel_explore:")
    else:
        with ProblemsTold(), st.spinner("Looking at the photo …", show_time=False):
            backbone = resources.backbone(session.training.tower)
            question = session.explore.question(session.training)
            found = session.answers.explain(backbone, photo, question)
            found = found.with_topk(session.explore.scales_of(found.topk))
        if found is None:
            st.page_link("ui/explore/page.py", label="Change it there", icon=":material/travel_explore:")
if photo is not None and found is not None:
    with left:
        classes = [_MOST_PROBABLE, *found.class_names]
        called = {_MOST_PROBABLE: "The most probable"}
        chosen = one_of(
            "Class followed", classes, MethodState.followed, _MOST_PROBABLE, lambda choice: called.get(choice, choice)
        )
        name = found.label if chosen == _MOST_PROBABLE else chosen
        region = asked(found.grid)
        region_grid(answer_panel(found, selected=region, photo=session_photo_url(session, found)), key="method grid")
        st.caption(
            "Photo, classes, k and limit are those of the other pages: change them there, and this page follows."
        )
    with right:
        st.header("From photo to answer", anchor=False)
        taught = session.training.taught if question.taught else None
        for number, step in enumerate(method.steps(found, name, backbone, taught), 1):
            st.subheader(f"{number}. {step.title}", anchor=False)
            for paragraph in step.words:
                st.markdown(paragraph)
            if step.table is not None:
                st.dataframe(pd.DataFrame(step.table), hide_index=True, key=f"step {number}")
            # Not a caption: its faded code would be hard to read.
            st.markdown(
                ":material/menu_book: Notebook: " + ", ".join(f"`notebooks/{stem}.ipynb`" for stem in step.notebooks)
            )
st.header("Notebooks", anchor=False)
st.markdown(
    "Each step has a notebook that takes it apart, with code to change. They lie in the folder `notebooks` beside "
    "the app; `make notebooks` opens it in the browser. Beyond the steps above:\n"
    + "\n".join(f"- `notebooks/{stem}.ipynb`: {words}" for stem, words in _FURTHER.items())
)
privacy.line()
