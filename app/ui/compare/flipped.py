"""The photos that two runs answer differently, and both their maps side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import text
from app.photos import thumbnails
from app.runs import run as of
from app.runs.run import Flip, Run
from app.ui.compare.run_table import pin_names
from app.ui.explanation.answer import session_photo_url
from app.ui.resources import holding, towers
from app.ui.widgets import media
from app.ui.widgets.explained import one_map
from app.ui.widgets.remembered import one_of
from app.views import compare
from app.visitor.page_state import CompareState
from app.visitor.session import Session
from gallop import Photo
from gallop.maps.look import Subject, scale_of

if TYPE_CHECKING:
    from gallop import Explanation

MOST_SMALL = 8


def flipped(a: Run, b: Run, photos: Mapping[str, Photo]) -> None:
    """Which photos, what each run says to them, and the photos themselves where they are here."""
    found, towers = of.flips(a, b), of.towers_of((a, b))
    if all(towers):
        st.caption(text.markdown(f"A says what it does with the tower {towers[0]}, B with {towers[1]}."))
    if not found:
        both = set(a.answers) & set(b.answers)
        st.caption(f"None: A and B say the same to all {len(both)}.")
        return
    here = [flip for flip in found if flip.digest in photos]
    if here:
        small = here[:MOST_SMALL]
        alt = "; ".join(f"{photos[flip.digest].name}: {_said(flip)}" for flip in small)
        media.image(
            thumbnails.strip([photos[flip.digest] for flip in small], side=96), alt=f"From left to right: {alt}"
        )
    told = "The nearest class, whatever the limit for none of these says."
    columns = {name: st.column_config.TextColumn(help=told) for name in ("A says", "B says")}
    lines = pd.DataFrame([_line(flip, photos) for flip in found])
    st.dataframe(lines, hide_index=True, key="flips", column_config=columns)
    if len(here) < len(found):
        st.caption(
            f"{len(found) - len(here)} of {len(found)} are not here.",
            help="A run keeps no photos, only what it said to them. Put them on the cards of *Teach* to see them.",
        )


def _said(flip: Flip) -> str:
    return f"really {flip.a.truth}, A says {flip.a.label}, B says {flip.b.label}"


def _line(flip: Flip, photos: Mapping[str, Photo]) -> dict[str, str]:
    return {
        "photo": photos[flip.digest].name if flip.digest in photos else f"not here ({flip.digest[:8]})",
        "really": flip.a.truth,
        "A says": f"{flip.a.label}, {text.percent(flip.a.probability)}",
        "B says": f"{flip.b.label}, {text.percent(flip.b.probability)}",
        "who is right": flip.words,
        "used to": "learn" if flip.a.seen or flip.b.seen else "test",
    }


def side_by_side(session: Session, pinned: tuple[Run, Run], photos: Mapping[str, Photo]) -> None:
    """One photo as A and as B see it: the answer of each, and a map of each; of one tower, to the same colour scale."""
    a, b = pinned
    first = [flip.digest for flip in of.flips(a, b) if flip.digest in photos]
    listed = list(dict.fromkeys([*first, *photos]))
    shared = [found for found in a.class_names if found in b.class_names]
    if not listed:
        st.info("No photos yet. Add one on *Explore* or *Teach*.", icon=":material/info:")
        return
    if not shared:
        st.caption("A and B have no class in common, so there are no two maps of one.")
        return
    left, middle, right = st.columns([2, 2, 1])
    with left:
        photo = photos[one_of("Photo", listed, CompareState.photo, listed[0], compare.photo_names(session).__getitem__)]
    both = [_explained(session, run, photo) for run in pinned]
    usual = both[0].label if both[0].label in shared else shared[0]
    with middle:
        chosen = one_of("Class of the maps", shared, CompareState.class_name, usual)
    prompts = range(max(*(len(found.topk) for found in both), 1))
    with right:
        prompt = one_of("Local prompt", prompts, CompareState.prompt, 0, lambda n: f"{n + 1}")
    _maps(session, pinned, both, photo.sha256, chosen, prompt)


def _explained(session: Session, run: Run, photo: Photo) -> Explanation:
    """With the run's own tower, one after the other: there may not be room for both."""
    with holding(compare.tower_of_run(towers(), run)) as backbone:
        return compare.explain_with_run(session, backbone, run, photo)


def _maps(
    session: Session, pinned: tuple[Run, Run], both: Sequence[Explanation], photo: str, chosen: str, prompt: int
) -> None:
    subjects = [Subject(found, chosen) for found in both]
    drawn = [subject for subject in subjects if prompt < len(subject.explanation.topk)]
    alike = of.same_tower(*pinned)  # cosines of two towers have no common scale
    scale = scale_of([subject.scores(prompt) for subject in drawn]) if drawn and alike else None
    names = pin_names(pinned)
    for column, label, subject in zip(st.columns(2, gap="large"), names, subjects, strict=True):
        found = subject.explanation
        with column:
            said = f"{text.markdown(found.answer)}, {text.percent(found.probabilities[found.label])}"
            st.markdown(
                f"**{label}: {text.markdown(names[label])}** says {said}", help=text.markdown(found.doubt) or None
            )
            if prompt >= len(found.topk):
                st.caption("It has no such local prompt: it looks at the whole photo alone, so there is no map.")
                continue
            picture = session_photo_url(session, found)
            own = scale or scale_of([subject.scores(prompt)])
            one_map(found, chosen, prompt, photo=photo, picture=picture, scale=own, key=f"compared map {label}")
            score = float(found.local_scores[found.class_names.index(chosen), prompt])
            words = found.describe(chosen, prompt)
            k = f"k = {found.topk[prompt]}"
            st.caption(f"Score at {k}: {score:.4f}", help=f"Its best regions: {words}.")
    if len(drawn) == 2 and not alike:
        st.caption("Each map has colours of its own, from its lowest to its highest score: two towers share no scale.")
