"""A small choice of the backbone, and the download of another where that is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import text
from app.library import Explanation
from app.shared_backbones import DEFAULT_BACKBONE, PAPERS_KIND, downloading, to_download
from app.ui import resources
from app.ui.resources import backbones
from app.ui.widgets.elements import folded, show_notice, watch_job
from app.ui.widgets.remembered import one_of, put
from app.views.exploring import UNSURE
from app.visitor.session import Session, Where
from gallop.backbones.weights import KnownBackbone, Licence
from gallop.config import REGION_ADVICE, REGION_RULES

_HELP = (
    "The frozen model that encodes photos and class names. Prompts are learned for it. Start the app with --backbones "
    "to offer more backbones, or with --allow-downloads to allow downloading some. In brackets: how it computes a "
    "region's feature, which makes it another backbone, with separate runs and answers. "
    + "; ".join(f"*{kind}*: {words}" for kind, words in REGION_RULES.items())
    + f". {REGION_ADVICE}"
)


def is_choice() -> bool:
    """Return whether there is another backbone than ``mini``, or one may be downloaded."""
    return len(backbones().listing.choices) > 1 or backbones().options.downloads


def choose_backbone(session: Session) -> DeltaGenerator:
    """Draw the choice, whose value is ``session.training.backbone_name``; return the place of ``describe``."""
    listed, before = backbones().listing.choices, session.training.backbone_name
    usual = before if before in listed else DEFAULT_BACKBONE
    chosen = one_of("Backbone", listed, "backbones chosen", usual, help=_HELP)
    if chosen != before:
        session.training.backbone_name = chosen
        # k depends on the backbone and its grid: Explore shows those for this one
        scales = session.training.scales() if session.training.taught else ()
        session.explore = session.explore.with_scales(scales)
    place = st.empty()
    describe(session, place)
    elsewhere = session.training.elsewhere
    with st.container():
        if backbones().listing.problem:
            st.caption(f":material/warning: {text.markdown(backbones().listing.problem)}")
        watch_job(session.downloads)
        if session.training.taught is None and elsewhere:
            st.caption(
                f"Prompts trained with {text.markdown(text.joined(elsewhere))} are still available, but they do not "
                "work with the backbone chosen here."
            )
    show_notice(session, Where.BACKBONES)
    with st.container():
        if offered := to_download(backbones()):
            folded("More backbones", ":material/add:", "more backbones", partial(_more, session, offered))
    return place


def describe(session: Session, place: DeltaGenerator) -> None:
    """Describe the chosen backbone; once it is loaded, also where and how it computes."""
    status = backbones().status(session.training.backbone_name)
    known = status.known
    kind = f"region kind {status.regions}: {REGION_RULES[status.regions]}"
    if status.regions != PAPERS_KIND:
        kind += ", instead of the paper's"
    words = [
        f"computes on {status.device}, {status.precision}" if status.device else "",
        *_extent(known),
        kind if status.regions != PAPERS_KIND or len(known.kinds) > 1 else "",
        f"{known.memory / 1e6:.0f} MB" if known.memory else "",
        f"licence: {known.licence}",
    ]
    place.caption(text.markdown("; ".join(filter(None, words))))


def _extent(known: KnownBackbone) -> list[str]:
    """Return the size of its input and its grid, in words, where they are known."""
    size = [f"{known.input} pixels"] if known.input else []
    return size + ([f"{known.grid[0]} x {known.grid[1]} regions"] if known.grid else [])


def _more(session: Session, offered: Sequence[KnownBackbone]) -> None:
    st.markdown("**Backbones that can be downloaded.** The machine that runs this app downloads each one only once.")
    for known in offered:
        st.markdown(f"**{text.markdown(known.name)}**: {_offered(known)}")
        if backbones().options.downloads:
            st.button(
                f"Download {text.markdown(known.name)}",
                key=f"download {known.name}",
                on_click=_download,
                args=(session, known.name),
                disabled=session.downloads.running is not None,
            )
    if not backbones().options.downloads:
        st.caption("The app was started without --allow-downloads, so these backbones cannot be downloaded here.")


def offer_better(session: Session, explanation: Explanation) -> None:
    """Draw a card with a better backbone, where ``mini``, untaught, is unsure of names and downloads are allowed."""
    sure = explanation.probabilities[explanation.label]
    asked = session.training.backbone_name == DEFAULT_BACKBONE and backbones().options.downloads
    offered = to_download(backbones()) if asked and sure < UNSURE and session.downloads.running is None else []
    if not offered:
        return
    known = min(offered, key=lambda each: each.bytes)
    with st.container(border=True, key="better backbone"):
        st.markdown(f"**A better model, {known.bytes / 1e6:.0f} MB, {text.markdown(str(known.licence))}**")
        st.markdown(
            f"The built-in model is unsure of these names: {text.markdown(explanation.label)} has only "
            f"{text.percent(sure)}. It never saw a photo with a caption. {text.markdown(known.about)}."
        )
        st.markdown(
            f"Licence: {_licence(known.licence)}. The machine that runs this app downloads it once, from "
            f"{text.markdown(known.name)}."
        )
        st.button("Download it", icon=":material/download:", on_click=_download, args=(session, known.name))


def _offered(known: KnownBackbone) -> str:
    words = ", ".join(filter(None, [f"about {known.bytes / 1e6:.0f} MB", *_extent(known), known.needs]))
    about = f" {text.markdown(known.about)}." if known.about else ""
    return f"{text.markdown(words)}. Licence: {_licence(known.licence)}.{about}"


def _licence(licence: Licence) -> str:
    """Return it in Markdown, with a link to the page that states it."""
    words = text.markdown(licence)
    return f"[{words}]({licence.source}), as of {licence.date}" if licence.source.startswith("https://") else words


def _download(session: Session, name: str) -> None:
    with session.telling(Where.BACKBONES):
        # The one of now: tests replace ``shared``.
        session.downloads.start(resources.shared.downloads, downloading(backbones(), name), name, f"Downloading {name}")


def settle_download(session: Session) -> None:
    """Choose the backbone whose download has ended, or report why it failed, before any widget is drawn."""
    running = session.downloads.running
    session.downloads.settle()
    if running is None or session.downloads.running is not None:
        return
    if session.downloads.result(running.name):
        listed = backbones().listing.choices.items()
        choose(session, next(name for name, choice in listed if choice.known.name == running.name))
        session.tell(Where.BACKBONES, f"{running.name} was downloaded and is now selected.")
    elif problem := session.downloads.problem(running.name):
        session.tell(
            Where.BACKBONES,
            "The download was cancelled. Nothing was saved." if problem == "Cancelled." else problem,
            "info",
        )


def choose(session: Session, name: str) -> None:
    """Let this backbone answer, before any widget is drawn."""
    session.training.backbone_name = name
    put("backbones chosen", name)
