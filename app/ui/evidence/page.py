"""What each class stands on over all its photos, what answers would be without it, and which photos fail."""

import streamlit as st

from app.ui import projects, resources
from app.ui.evidence import shown
from app.ui.widgets.elements import onward, privacy_line, problems_shown
from app.ui.widgets.remembered import one_of, one_of_few
from app.views import evidence, testing
from app.visitor.page_state import EvidenceState

session = resources.session()
session.page_jobs.settle()
piles = testing.piles(session)

st.title("Evidence", anchor=False)
st.markdown("What does each class stand on: the thing, or something beside it?")

if session.training.taught is None:
    st.info("**Start here:** teach some classes, and add test photos for each.", icon=":material/school:")
    onward("On to teaching", "ui/teach/page.py", ":material/school:")
    projects.offer_sample(session)
elif not piles:
    st.info("**No matching photos yet.** Add *Test photos* to the cards on *Teach*.", icon=":material/school:")
    onward("Add test photos", "ui/teach/page.py", ":material/school:")
elif len(session.training.taught.names) < 2:
    st.info("With one class alone, nothing speaks for it rather than for another.", icon=":material/info:")
else:
    pile = next(iter(piles))
    if len(piles) > 1:
        pile = one_of_few("Over which photos", piles, EvidenceState.pile, pile)
    pairs, key = piles[pile], evidence.key_of(session, piles[pile])
    found = shown.result(session, evidence.JOB, key)
    if found is None:
        # Of few photos it takes seconds, so it need not be asked for, unless the visitor has just cancelled it.
        at_once = len(pairs) <= evidence.FEW and not session.page_jobs.running
        clicked = (at_once and not session.page_jobs.problem(evidence.JOB)) or st.button(
            "Find what each class stands on",
            key="find evidence",
            type="primary",
            disabled=session.page_jobs.running is not None,
            icon=":material/search_insights:",
            help="Seconds for some dozens of photos, a minute for a thousand.",
        )
        if clicked:
            words = f"Evidence over {len(pairs)} photos"
            shown.start(session, lambda frozen: evidence.finding(session, frozen, pairs), evidence.JOB, words, key)
    else:
        with problems_shown():
            backbone = resources.backbone(session.training.backbone_name)
            names = [each.class_name for each in found.classes]
            class_name = one_of("Class shown", names, EvidenceState.class_name, names[0])
            shown.clusters(session, backbone, found, class_name, key)
            shown.groups(session, found)
            shown.set_map(session, found, key)
            shown.opened(session, backbone, found)
        st.page_link("ui/prompts/page.py", label="On to the prompts", icon=":material/join_inner:")
privacy_line()
