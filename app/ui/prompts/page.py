"""Are the taught prompts diverse, and what is each worth?"""

import streamlit as st

from app.ui import projects, resources
from app.ui.prompts import diversity
from app.ui.widgets.elements import onward, privacy_line, problems_shown
from app.ui.widgets.remembered import one_of_few
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
        diversity.says(figures)
        diversity.show_overlap(figures, len(pairs))
        diversity.worth(figures, len(pairs), learned=pile != "Test photos")
        diversity.show_words(testing.prompt_words(session, backbone), len(figures.says_global))
        st.page_link("ui/method/page.py", label="On to the method", icon=":material/functions:")
privacy_line()
