"""A map of the photo that Explore shows, as a picture, and a table of answers to all photos."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.runs.model_zip import file_name
from app.towers.work import OnTower
from app.ui.resources import towers
from app.ui.widgets import job_progress, media
from app.ui.widgets.remembered import one_of
from app.views import compare, export
from app.views.export import Screen
from app.visitor.page_state import ExportState
from app.visitor.session import Session

if TYPE_CHECKING:
    from gallop import GalLoPClassifier


def offer_pictures(session: Session, screen: Screen) -> None:
    """A map of one local prompt over the photo, to look at and to save."""
    found = screen.explanation
    name = text.markdown(screen.class_name)
    st.markdown(
        f"**{text.markdown(screen.photo.name)}**, explained for {name}",
        help="As on the page *Explore*: class, k and colours are those set there.",
    )
    if not found.topk:
        st.caption("Without local prompts there is no map.")
        return
    prompts = range(len(found.topk))
    prompt = one_of("Map of local prompt", prompts, ExportState.map, 0, lambda n: f"{n + 1}, k = {found.topk[n]}")
    version = export.version(session, screen.question, found.topk)
    picture = session.answers.once(
        ("map", version, screen.photo.sha256, screen.class_name, screen.style, prompt), lambda: screen.picture(prompt)
    )
    alt = f"Map of local prompt {prompt + 1} for {screen.class_name}: {found.describe(screen.class_name, prompt)}"
    media.image(picture, alt=alt)
    st.download_button(
        "Save this map as PNG",
        picture,
        f"{file_name(screen.class_name)} local prompt {prompt + 1}.png",
        "image/png",
        key="save map",
        icon=":material/image:",
        on_click="ignore",
    )


def offer_table(session: Session, classifier: GalLoPClassifier, key: Hashable) -> None:
    """Answers to all photos of this visit as CSV."""
    here = compare.photos(session) or session.photos.shelf.photos  # samples where there is nothing else
    photos, names = list(here.values()), compare.photo_names(session)
    key = (key, tuple((photo.sha256, names[photo.sha256]) for photo in photos))
    clicked = st.button(
        f"Make the table of {len(photos)} photo{'s' * (len(photos) != 1)}",
        key="make table",
        disabled=not photos or session.page_jobs.running is not None,
        icon=":material/table:",
        help="Label, probability of each class and outlier score of every photo that is here, those on the cards too.",
    )
    if clicked:
        task = OnTower(towers(), session.training.tower, lambda _: export.Tabling(classifier, photos, names, key))
        job_progress.send(session, task, "csv", "The table")
    job_progress.job_outcome(session, "csv")
    made_for, data = session.page_jobs.result("csv") or (None, None)
    if data is not None and made_for == key:
        st.download_button("Save the table", data, "answers.csv", "text/csv", key="save table", on_click="ignore")
