"""What a browser shows of Explore until that is drawn: the first sample, explained, within the page's own HTML.

Streamlit's scripts, their connection and a run of the page take more than a second before anything is seen. The picture
is the explainer's own, taken of the living page (``python -m tests.first_picture``); a test holds the two equal. It
lives in a closed shadow root, so no style and no script of the page reaches it, and none of its own leaves it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

import streamlit as st

from app.photos.sample_answers import sample_answers
from app.ui.resources import ADDRESS, visitors
from app.ui.streamlit_insides import PAGE_IS_DRAWN
from app.views.exploring import opens_on_sample
from gallop.maps.explainer import STYLE_SHEET

_HERE = Path(__file__)
PICTURE = _HERE.with_name("waiting_picture.html")
# As Streamlit calls them where a component is styled, and in its settings.
_COLOURS = {
    "--st-text-color": "textColor",
    "--st-background-color": "backgroundColor",
    "--st-primary-color": "primaryColor",
    "--st-link-color": "linkColor",
}


def first_picture(query: str, browser: str) -> str:
    """Return it as HTML, for what an address has behind its question mark and the number of the browser; nothing where
    the page will show another thing than the first sample as everybody finds it, or where that cannot be told.
    """
    said = parse_qs(query, keep_blank_values=True)
    if set(said) - {ADDRESS}:
        return ""
    session = visitors().find(said[ADDRESS][0], browser) if said else None
    if said and (session is None or not opens_on_sample(session)):
        return ""
    return _drawn()


@cache
def _drawn() -> str:
    """The same for all; nothing where there is no sample, or a theme whose colours are not known."""
    answer, colours = next(iter(sample_answers().values()), None), _colours()
    if answer is None or not colours:
        return ""
    style = f':host {{ {colours} --st-font: "Source Sans", sans-serif; }}\n' + _beside("css")
    return Template(_beside("html")).substitute(
        style=style + STYLE_SHEET.read_text(encoding="utf-8"),
        names="".join(f"<b>{name}</b>" for name in answer.class_names),
        picture=Template(PICTURE.read_text(encoding="utf-8")).substitute(photo=answer.shown["photo"]),
        script=_beside("js").replace("PAGE_IS_DRAWN", PAGE_IS_DRAWN),
    )


def _beside(kind: str) -> str:
    return _HERE.with_suffix(f".{kind}").read_text(encoding="utf-8")


def _colours() -> str:
    found = {
        name: [st.get_option(f"theme.{theme}.{option}") for theme in ("light", "dark")]
        for name, option in _COLOURS.items()
    }
    known = all(colour for pair in found.values() for colour in pair)
    return " ".join(f"{name}: light-dark({light}, {dark});" for name, (light, dark) in found.items()) if known else ""
