"""Classes of one's own: photos of each, and a training beside the page."""

import streamlit as st

import resources
from parts import teaching

session = resources.session()

st.title("Teach", anchor=False)
teaching.box(session, resources.jobs())
