"""Entry of the app, its server: ``streamlit run app/main.py``. What a visitor sees begins in ``navigation``."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.web.server.server_util import get_url

from doors import OwnPagesOnly

SOON = 0.5
"""Seconds: the server listens when all of its parts have started, this one too."""


@asynccontextmanager
async def browser_opens(_: st.App) -> AsyncIterator[None]:
    """As Streamlit does for a script; for a server of one's own it does not."""
    if not st.get_option("server.headless"):
        opening = threading.Timer(SOON, webbrowser.open, [get_url(st.get_option("browser.serverAddress"))])
        opening.daemon = True
        opening.start()
    yield


app = st.App(Path(__file__).with_name("navigation.py"), middleware=[Middleware(OwnPagesOnly)], lifespan=browser_opens)
