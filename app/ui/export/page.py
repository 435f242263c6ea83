"""Everything that is on the screen as files: pictures, the classifier, the code."""

import streamlit as st

from app.ui import projects, resources
from app.ui.export import files
from app.ui.widgets.elements import onward, privacy_line, problems_shown
from app.views import export

session = resources.session()

projects.title_with_project(session, "Export", "As files and as code.")

has_photo, has_cards = bool(session.photos.shelf.photos), bool(session.photos.deck.cards)
if not (has_photo or has_cards or session.training.taught):
    st.info(
        "**Start here:** look at a photo or teach classes. Then save maps, a report, the classifier and code.",
        icon=":material/download:",
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        onward("Look at a photo", "ui/explore/page.py", ":material/travel_explore:")
        st.page_link("ui/teach/page.py", label="Teach your own classes", icon=":material/school:")
    projects.offer_sample(session)
else:
    with problems_shown():
        backbone = resources.backbone(session.training.backbone_name)
        asked = export.exported_question(session)
        with st.spinner("Looking at the photo …", show_time=False):
            classifier = export.exported_classifier(session, backbone, asked)
            screen = export.screen(session, backbone)
        version = export.version(session, asked, classifier.model_.config.topk)
        st.header("1. The photo", anchor=False)
        left, right = st.columns([3, 2], gap="large")
        with left:
            if screen is None:
                st.caption("No photo is chosen on *Explore*.")
            else:
                files.offer_pictures(session, screen)
        with right:
            if screen is not None:
                files.offer_photo_formats(session, screen)
        st.header("2. The classifier", anchor=False)
        left, right = st.columns(2, gap="large")
        with left:
            files.model(session, classifier, asked, version)
        with right:
            files.offer_model_formats(session, classifier, asked, version)
        if has_cards:
            st.header("3. The training as code", anchor=False)
            files.code(session)

st.header("Open a model", anchor=False)
files.back_in(session)
privacy_line()
