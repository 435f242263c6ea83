"""Are the taught prompts diverse, and what is each worth?"""

import numpy as np
import streamlit as st

from app.ui import labelled, resources
from app.ui.prompts import diversity
from app.ui.widgets.elements import privacy_line, problems_shown
from app.ui.widgets.remembered import one_of
from app.views import testing
from app.visitor.page_state import PromptsState

session = resources.session()

st.title("Prompts", anchor=False)
st.markdown("Several prompts answer together. That helps if they differ.")

pile, pairs = labelled.choose_photos(session, "what each prompt says, where it looks and what it is worth")
if pairs:
    with problems_shown():
        with st.spinner("Looking at the photos …", show_time=True):
            figures = testing.figures(session, backbone := resources.backbone(session.training.backbone_name), pairs)
        st.markdown(f"**{figures.diversity.words}.**")
        diversity.says(figures)
        names = session.training.taught_model.names
        class_name = one_of("Class shown", names, PromptsState.class_name, names[0])
        with st.spinner("Reading the words …", show_time=True):
            told = session.answers.words(backbone, testing.taught_question(session), class_name)
        diversity.show_words(told)
        if figures.topk:
            rows = testing.patches(session, backbone, pairs, class_name)
            diversity.galleries(session, figures, rows, class_name)
            labelled.show_opened(session, backbone, pairs)
        diversity.show_overlap(figures, len(pairs))
        if len(figures.topk) > 1:
            # Of pairs that have as much in common as their k allow, the one whose k are the furthest apart.
            common = np.round(figures.overlap / figures.most, 2) + figures.most / 1000
            least = testing.pair(common, closest=False)[:2]
            diversity.show_choices(figures, testing.choices(backbone, pairs, figures, least), least)
        diversity.worth(figures, len(pairs), learned=pile != labelled.TESTS)
        st.page_link("ui/method/page.py", label="On to the method", icon=":material/functions:")
privacy_line()
