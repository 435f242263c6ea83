"""The choice of a tower, small, beside what is asked of it; and fetching another where that is allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.towers import DEFAULT_TOWER, PAPERS_KIND, called, downloading, to_download
from app.ui.resources import downloads, towers
from app.ui.widgets.elements import show_notice, slot, watch_job
from app.ui.widgets.remembered import one_of, put
from app.visitor.page_state import TowersState
from app.visitor.session import Session, Where
from gallop.backbones.weights import KnownTower
from gallop.config import REGION_ADVICE, REGION_RULES

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_HELP = (
    "What looks at photos and reads names; it is frozen, and prompts are learned for it. Whoever starts the app names "
    "more towers with --towers, or lets you download some with --allow-downloads."
)


_REGIONS_HELP = (
    "What a region of this tower is. With another kind it is another tower: its runs and answers are kept apart. "
    + "; ".join(f"*{kind}*: {words}" for kind, words in REGION_RULES.items())
    + f". {REGION_ADVICE}"
)


def is_choice() -> bool:
    """Return whether there is another tower than ``mini``, or one may be fetched."""
    return len(towers().listing.towers()) > 1 or towers().options.downloads


def choose_tower(session: Session) -> DeltaGenerator:
    """Draw the choice; ``session.training.tower`` is what it stands at. Returns the place of ``describe``."""
    listed = {tower.name: tower for tower in towers().listing.towers()}
    before = session.training.tower
    now = towers().listing.find(before)
    name = one_of("Tower", listed, TowersState.chosen, now.tower.name if now is not None else DEFAULT_TOWER, help=_HELP)
    chosen = called(name, _kind(listed[name]))
    if chosen != before:
        session.training.tower = chosen
        taught = session.training.taught  # k is of a tower and its grid: Explore shows what goes with this one
        session.explore = replace(session.explore, scales=session.training.scales() if taught else ())
    place = st.empty()
    describe(session, place)
    with slot():
        _standing(session)
    show_notice(session, Where.TOWERS)
    with slot():
        _more(session)
    return place


def _standing(session: Session) -> None:
    if towers().listing.problem:
        st.caption(f":material/warning: {text.markdown(towers().listing.problem)}")
    watch_job(session.downloads)
    elsewhere = session.training.elsewhere
    if session.training.taught is None and elsewhere:
        st.caption(
            f"What was taught on {text.markdown(text.joined(elsewhere))} waits there: prompts of one tower say nothing "
            "to another."
        )


def _kind(tower: KnownTower) -> str:
    if len(tower.kinds) == 1:
        return tower.kinds[0]
    return one_of("Regions", tower.kinds, TowersState.regions, towers().options.regions, help=_REGIONS_HELP)


def describe(session: Session, place: DeltaGenerator) -> None:
    """Say what the chosen tower is; once it is loaded, where and how it computes as well."""
    standing = towers().standing(session.training.tower)
    tower = standing.tower
    words = [f"computes on {standing.device}, {standing.precision}"] if standing.device else []
    words += [f"{tower.input} pixels"] if tower.input else []
    words += [f"{tower.grid[0]} x {tower.grid[1]} regions"] if tower.grid else []
    if standing.regions != PAPERS_KIND:
        words.append(f"of the kind {standing.regions}: {REGION_RULES[standing.regions]}, in place of the paper's")
    elif len(tower.kinds) > 1:
        words.append(f"of the kind {PAPERS_KIND}: {REGION_RULES[PAPERS_KIND]}")
    words += [f"{tower.memory / 1e6:.0f} MB"] if tower.memory else []
    words += [f"licence: {tower.licence}"] if tower.licence else []
    place.caption(text.markdown("; ".join(words)))


def _more(session: Session) -> None:
    offered = to_download(towers())
    if not offered:
        return
    with st.expander("More towers", icon=":material/add:", key="more towers"):
        st.markdown("**Towers that can be downloaded**, once, by the machine that runs this app")
        for tower in offered:
            st.markdown(f"**{text.markdown(tower.name)}**: {text.markdown(_offered(tower))}")
            if towers().options.downloads:
                st.button(
                    f"Download {text.markdown(tower.name)}",
                    key=f"download {tower.name}",
                    on_click=_download,
                    args=(session, tower.name),
                    disabled=session.downloads.running is not None,
                )
        if not towers().options.downloads:
            st.caption("The app was started without --allow-downloads, so none is fetched from here.")


def _offered(tower: KnownTower) -> str:
    words = [f"about {tower.bytes / 1e6:.0f} MB", f"{tower.input} pixels"]
    words += [f"{tower.grid[0]} x {tower.grid[1]} regions"] if tower.grid else []
    words += [f"licence: {tower.licence}", *([tower.needs] if tower.needs else [])]
    return ", ".join(words)


def _download(session: Session, name: str) -> None:
    with session.telling(Where.TOWERS):
        session.downloads.start(downloads(), downloading(towers(), name), name, f"Downloading {name}")


def settle_download(session: Session) -> None:
    """Before any widget is drawn: the tower whose download has ended is chosen, or it is told why there is none."""
    running = session.downloads.running
    session.downloads.settle()
    if running is None or session.downloads.running is not None:
        return
    if session.downloads.result(running.name):
        known = towers().listing.find(running.name)
        usual = towers().options.regions
        choose(session, called(running.name, usual if known and usual in known.tower.kinds else PAPERS_KIND))
        session.tell(Where.TOWERS, f"{running.name} is here, and chosen.")
    elif problem := session.downloads.problem(running.name):
        session.tell(
            Where.TOWERS,
            "The download was cancelled; nothing of it was kept." if problem == "Cancelled." else problem,
            "info",
        )


def choose(session: Session, name: str) -> None:
    """Before any widget is drawn: let this tower answer."""
    session.training.tower = name
    found = towers().listing.find(name)
    put(TowersState.chosen, found.tower.name if found is not None else name)
    if found is not None and len(found.tower.kinds) > 1:
        put(TowersState.regions, found.kind)


def ask_for(session: Session, name: str) -> None:
    """Let the tower answer that an address names, where there is such a one; a name from outside opens nothing."""
    if towers().listing.seek(name) is not None:
        choose(session, name)
        return
    words = f"The address asks for the tower {text.shorten(name, 60)!r}, which is not offered here"
    session.tell(Where.TOWERS, f"{words}, so {session.training.tower} goes on to answer.", "info")
