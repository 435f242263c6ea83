"""A photo, class names, and what decided."""

import streamlit as st

import resources
import text
from gallop.classes import ClassNameError
from parts import inputs, results

session = resources.session()

st.title("GalLoP Explorer", anchor=False)
st.markdown("Drop in a photo, name some classes, and see which prompt and which regions of the photo decided.")

left, right = st.columns([1, 2], gap="large")
with left:
    photo = inputs.photo()
    names = inputs.names()
    inputs.privacy()

explanation = None
with right:
    if names is not None:
        use_taught = results.model_choice(session, names)
    if photo is None:
        st.info("**Start here:** upload a photo, or take a sample.", icon=":material/add_photo_alternate:")
        st.markdown(
            "What you will see then:\n"
            "- how probable each class is, for any words you type, without any training;\n"
            "- the score of each *global prompt*, which is matched with the whole photo;\n"
            "- for each *local prompt* a map of where it looked, with exactly the regions that entered its score.\n\n"
            "Then teach it classes of your own with a handful of photos, on the page *Teach*."
        )
    elif names is not None:
        try:
            with st.spinner("Looking at the photo …", show_time=False):
                backbone = resources.backbone()
                found = session.explain(backbone, photo, names, taught=use_taught)
                note = session.classifier(backbone, names, taught=use_taught).calibration_.note
            usual = tuple(min(k, found.grid[0] * found.grid[1]) for k in found.topk)
            k = results.scales(usual)
            explanation = found.with_topk(k)
            results.overview(session, explanation, note)
            st.subheader("What decided", anchor=False)
            chosen = results.class_choice(explanation)
            results.global_prompts(explanation, chosen, taught=use_taught)
        except (ClassNameError, resources.BackboneProblem) as error:
            st.error(text.markdown(error), icon=":material/error:")

if explanation is not None:
    if use_taught:
        results.change(session.explain(backbone, photo, names, taught=False).with_topk(k), explanation, session)
    results.local_prompts(session, explanation, chosen, usual)
    results.numbers(explanation)
