"""What does each taught prompt say, and what is it worth?"""

import streamlit as st

from app.ui import labelled, resources
from app.ui.prompts.cards import folded_figures, prompt_cards
from app.ui.widgets.elements import privacy_line, problems_shown
from app.ui.widgets.remembered import one_of
from app.views import prompts, testing
from app.visitor.page_state import PromptsState

session = resources.session()

st.title("Prompts", anchor=False)
there = st.container()

pile, pairs = labelled.choose_photos(session, "what each prompt says, where it looks and what it is worth")
if pairs:
    with problems_shown():
        with st.spinner("Looking at the photos …", show_time=True):
            figures = testing.figures(session, backbone := resources.backbone(session.training.backbone_name), pairs)
            tiles = prompts.tiles(session, backbone, pairs, figures)
        there.markdown(f"**{prompts.lead(figures, pile)}**")
        if words := prompts.coinciding(figures.diversity):
            st.info(words, icon=":material/join_inner:")
        if pile != labelled.TESTS and testing.labelled(session)[0]:
            st.caption("These are training photos, so the figures are optimistic.")
        taught = session.training.taught_model
        class_name = one_of(
            "Words for the class",
            taught.names,
            PromptsState.class_name,
            taught.names[0],
            help="Percent: how much of what a prompt adds to “A photo of a …” is told by a word, or by none.",
        )
        with st.spinner("Reading the words …", show_time=True):
            told = session.answers.words(backbone, testing.taught_question(session), class_name)
        starts = taught.after.model_.config.sentences
        prompt_cards(session, backbone, pairs, prompts.cards(figures, starts, told, tiles))
        folded_figures(figures, told, len(pairs))
        st.page_link("ui/method/page.py", label="On to the method", icon=":material/functions:")
else:
    there.markdown("Several prompts answer together. That helps if they differ.")
privacy_line()
