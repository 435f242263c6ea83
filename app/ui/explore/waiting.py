"""What a browser shows of Explore until that is drawn: the first sample, explained, within the HTML of the page.

Streamlit's scripts, their connection and a run of the page take more than a second before anything is visible. The
picture is copied from the explainer of the running app (``python -m docs.pictures.first``); a test checks that the two
are equal. It is in a closed shadow root, so no style or script of the page reaches it, or the other way.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

import streamlit as st

from app.photos.sample_answers import sample_answers
from app.ui.resources import ADDRESS, visitors
from app.ui.streamlit_insides import PAGE_IS_DRAWN, PART_IS_LOADING
from app.views.exploring import opens_on_sample
from gallop.maps.explainer import STYLE_SHEET

_HERE = Path(__file__)
PICTURE = _HERE.with_name("waiting_picture.html")
# Names with which Streamlit styles a component, each with its name in the settings.
_COLOURS = {
    "--st-text-color": "textColor",
    "--st-background-color": "backgroundColor",
    "--st-primary-color": "primaryColor",
    "--st-link-color": "linkColor",
}


def first_picture(query: str, browser: str) -> str:
    """Return it as HTML, for the query of an address and the number of the browser; an empty string where the page will
    show, or may show, anything other than the first sample unchanged.
    """
    fields = parse_qs(query, keep_blank_values=True)
    if set(fields) - {ADDRESS}:
        return ""
    session = visitors().find(fields[ADDRESS][0], browser) if fields else None
    if fields and (session is None or not opens_on_sample(session)):
        return ""
    return _drawn()


@cache
def _drawn() -> str:
    """Return it, the same for all; empty where there is no sample, or a theme with unknown colours."""
    answer, colours = next(iter(sample_answers().values()), None), _colours()
    if answer is None or not colours:
        return ""
    picture, urls = _once(PICTURE.read_text(encoding="utf-8"))
    photo = f"--photo: url('{answer.shown['photo']}');"
    return Template(_beside("html")).substitute(
        style=f':host {{ {colours} {photo} {urls} --st-font: "Source Sans", sans-serif; }}\n'
        + _beside("css")
        + STYLE_SHEET.read_text(encoding="utf-8"),
        names="".join(f"<b>{name}</b>" for name in answer.class_names),
        picture=picture,
        script=_beside("js").replace("PAGE_IS_DRAWN", PAGE_IS_DRAWN).replace("PART_IS_LOADING", PART_IS_LOADING),
    )


def _once(picture: str) -> tuple[str, str]:
    """Return the picture with its photo, and maps that are drawn several times, as variables of a style; and these."""
    drawn = re.findall(r"url\('data:[^']+'\)", picture)
    names = {url: f"--map-{n}" for n, url in enumerate(dict.fromkeys(drawn)) if drawn.count(url) > 1}
    for url, name in names.items():
        picture = picture.replace(url, f"var({name})")
    shown = 'style="background: var(--photo) center / 100% 100%"'
    return picture.replace('src="$photo"', shown), " ".join(f"{name}: {url};" for url, name in names.items())


def _beside(kind: str) -> str:
    return _HERE.with_suffix(f".{kind}").read_text(encoding="utf-8")


def _colours() -> str:
    colours = {
        name: [st.get_option(f"theme.{theme}.{option}") for theme in ("light", "dark")]
        for name, option in _COLOURS.items()
    }
    if not all(colour for pair in colours.values() for colour in pair):
        return ""
    return " ".join(f"{name}: light-dark({light}, {dark});" for name, (light, dark) in colours.items())
