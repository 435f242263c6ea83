"""Classes of one's own: photos of each, a training beside the page, and trying what was learned."""

import streamlit as st

from app import text
from app.teaching import tasks
from app.ui import resources
from app.ui.explanation import tryout
from app.ui.sample import offer
from app.ui.teach import deck, live, settings
from app.ui.widgets import privacy, towers
from app.ui.widgets.problems import ProblemsTold

session = resources.session()

st.title("Teach", anchor=False)
st.markdown("Show it 4 to 16 photos of each of your classes. It learns prompts for them while you watch.")
start_training = st.container()  # always there, so that what follows keeps its place, and expanders stay open
if not session.photos.deck.cards:
    start_training.info(
        "**Start here:** name two or more classes, such as `ant, bee`. Or take a folder or a zip of class folders.",
        icon=":material/school:",
    )
with start_training:
    offer.offer_sample(session)
st.header("1. Classes", anchor=False)
deck.cards(session)
deck.dialogs(session)

if session.photos.deck.cards:
    st.header("2. Training", anchor=False)
    towers.choose_tower(session)
    settings.choose_settings(session)
    live.begin(session)
    problem = tasks.check_photos(session.photos.shots())
    left, right = st.columns([1, 3], vertical_alignment="center")
    label = "Train again" if session.training.taught is not None else "Train"
    busy = session.training.job is not None
    left.button(
        label,
        type="primary",
        disabled=bool(problem) or busy,
        width="stretch",
        key="train",
        on_click=live.ask_to_train,
        args=(session,),
    )
    with right:
        stale = session.training.stale()
        if problem:
            st.caption(f":material/info: {text.markdown(problem)}")
        elif stale and not busy:
            st.caption(f":material/model_training: Changed since the training: {text.markdown(text.joined(stale))}.")
live.panel(session)
with ProblemsTold():
    tryout.tryout(session)
privacy.line()
