"""Are the taught prompts diverse, and what is each worth?"""

import numpy as np
import streamlit as st

from app.ui import projects, resources
from app.ui.prompts import diversity
from app.ui.widgets.elements import onward, privacy_line, problems_shown
from app.ui.widgets.remembered import one_of, one_of_few
from app.views import testing
from app.visitor.page_state import PromptsState

session = resources.session()
taught = session.training.taught
piles = {}
if taught is not None:
    # An opened model has its training photos if they are on the cards.
    both = {"Test photos": testing.labelled(session)[0], "Training photos": list(session.training.learned)}
    piles = {name: pairs for name, pairs in both.items() if pairs}

st.title("Prompts", anchor=False)
st.markdown("Several prompts answer together. That helps if they differ.")

if taught is None:
    st.info(
        "**Start here:** teach some classes. Then see what each prompt says, where it looks and what it is worth.",
        icon=":material/school:",
    )
    onward("On to teaching", "ui/teach/page.py", ":material/school:")
    projects.offer_sample(session)
elif not piles:
    st.info(
        "**No matching photos yet.** None of your photos belongs to a class of the opened model. Add *Test photos* to "
        "cards named after the model's classes.",
        icon=":material/add_photo_alternate:",
    )
    onward("Add test photos", "ui/teach/page.py", ":material/school:")
else:
    pile = next(iter(piles))
    if len(piles) > 1:
        pile = one_of_few("On which photos", piles, PromptsState.pile, pile)
    elif pile != "Test photos":
        st.info(
            "No matching test photos. These figures are from training photos, so they are optimistic.",
            icon=":material/info:",
        )
    pairs = piles[pile]
    with problems_shown():
        with st.spinner("Looking at the photos …", show_time=True):
            figures = testing.figures(session, backbone := resources.backbone(session.training.backbone_name), pairs)
        st.markdown(f"**{figures.diversity.words}.**")
        diversity.says(figures)
        names = session.training.taught_model.names
        class_name = one_of("Class shown", names, PromptsState.class_name, names[0])
        with st.spinner("Reading the words …", show_time=True):
            told = testing.prompt_words(session, backbone, class_name)
        diversity.show_words(told)
        if figures.topk:
            rows = testing.patches(session, backbone, pairs, class_name)
            diversity.galleries(session, figures, rows, class_name)
            diversity.show_opened(session, backbone, pairs)
        diversity.show_overlap(figures, len(pairs))
        if len(figures.topk) > 1:
            # Of pairs that have as much in common as their k allow, the one whose k are the furthest apart.
            common = np.round(figures.overlap / figures.most, 2) + figures.most / 1000
            least = testing.pair(common, closest=False)[:2]
            diversity.show_choices(figures, testing.choices(backbone, pairs, figures, least), least)
        diversity.worth(figures, len(pairs), learned=pile != "Test photos")
        st.page_link("ui/method/page.py", label="On to the method", icon=":material/functions:")
privacy_line()
