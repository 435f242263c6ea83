"""The app's server: ``gallop app``, or ``streamlit run app/main.py``. What a visitor sees begins in ``navigation``."""

from __future__ import annotations

import argparse
import ast
import asyncio
import gc
import logging
import os
import sys
import threading
import time
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.web.server.server_util import get_url

HERE = Path(__file__).resolve().parent

# Streamlit runs this file as a script. So this folder is made the package ``app`` here, wherever it lies and whatever
# else on the path is called so.
if getattr(sys.modules.get("app"), "__file__", None) != str(HERE / "__init__.py"):
    spec = spec_from_file_location("app", HERE / "__init__.py", submodule_search_locations=[str(HERE)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["app"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["app"])

from app.middleware import FirstPage, KnownBrowsers, OwnPagesOnly, OwnScripts, Rest, RoomForFiles, answer_at_once
from app.photos.allowance import allow_each
from app.towers.listing import DEFAULT_TOWER, TowerOptions, start_with
from app.towers.room import TowerProblem
from app.ui.streamlit_insides import keep_answers, keep_to_the_page_asked_for
from app.visitor.registry import keep_photos
from gallop.cli.app_arguments import add_app_words
from gallop.runtime.process import collect_since, free_bytes, trim

SOON = 0.5
"""Seconds: the server listens when all of its parts have started, this one too."""
LOADED_WITHIN = 300.0
"""Seconds in which a tower is loaded on the slowest machine."""
REST = 1.5
"""Seconds in which nobody is sent anything: the first picture and the tower would wait for each other."""
LOOKED_AFTER = 10.0
"""Seconds between two looks at the memory."""
MOST_FREE = 64 * 2**20
"""Bytes that are kept for next time: a training step takes and frees as much, again and again."""
FIRST_SCRIPTS = (HERE / "navigation.py", HERE / "ui" / "explore" / "page.py")
FIRST_PARTS = ("BidiComponent", "Button", "Checkbox", "FileUploader", "Multiselect", "Selectbox", "TextArea")
FIRST_FONTS = ("MaterialSymbols-Rounded",)
"""What Explore is drawn with."""


def app_options(words: Sequence[str]) -> argparse.Namespace:
    """What the app itself is told, after ``--``; ``gallop app`` hands it on. Where it listens, the server is told."""
    parser = argparse.ArgumentParser("streamlit run app/main.py --", allow_abbrev=False)
    add_app_words(parser)
    return parser.parse_args(words)


class LateDownloads(logging.Filter):
    """A button of a page that was drawn anew stands for a file that is not kept: no failure, so no traceback of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, MediaFileStorageError) and error.__cause__ is None:  # else making the file has failed
            record.exc_info, record.args = None, ()
            record.msg = "A download was asked for that is no longer there; its page was drawn anew meanwhile."
        return True


own_start = Path(sys.argv[0]).resolve() == HERE / "main.py"  # another server, such as uvicorn itself, has its own words
if own_start:
    said = app_options(sys.argv[1:])
    if said.data:
        os.environ["GALLOP_DATA"] = said.data
    keep_photos(said.keep)
    allow_each(said.visitor_memory)
    own = (said.tower_memory, said.allow_downloads, said.device, said.precision, said.regions)
    start_with(TowerOptions(tuple(said.towers), *own))

logging.getLogger("streamlit.runtime.backend_operation_handler").addFilter(LateDownloads())
keep_answers()
keep_to_the_page_asked_for()


def make_ready() -> None:
    """All that the first page would load and work out while its first visitor waits."""
    for script in FIRST_SCRIPTS:
        for node in ast.parse(script.read_bytes()).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                module = import_module(node.module)
                for name in node.names:
                    if not hasattr(module, name.name):
                        import_module(f"{node.module}.{name.name}")
    from app.photos.sample_answers import sample_answers

    for answer in sample_answers().values():
        _ = answer.shown, answer.thumbnail
    seen_meanwhile("", "")


def seen_meanwhile(query: str, browser: str) -> str:
    """What the first page shows until it is drawn, as HTML: ``first_picture``, which wants torch's modules loaded."""
    from app.ui.explore.waiting import first_picture

    return first_picture(query, browser)


def announced(file: str, name: str, size: int, browser: str, page: str) -> str:
    """Why there is no room for a file that a visitor begins to send."""
    from app.ui import resources

    return resources.file_comes(file, name, size, browser, page)


def not_come(file: str) -> None:
    """One that was announced did not come."""
    from app.ui.resources import unread

    unread().has_gone(file)


def notebook(request: Request) -> Response:
    """One that a step of the page Method leads to, with what it imports."""
    from app.runs.model_zip import zipped
    from app.views.method import NOTEBOOKS, notebook_files

    stem = request.path_params["stem"]
    if stem not in NOTEBOOKS:
        raise HTTPException(404)
    named = {"content-disposition": f'attachment; filename="{stem}.zip"'}
    return Response(zipped(notebook_files(stem)), media_type="application/zip", headers=named)


def load_ahead() -> None:
    """Beside the pages: who looks at the first sample needs it only afterwards."""
    from app.ui.resources import towers

    rest.wait(REST)
    with suppress(TowerProblem):  # a page says so to whoever needs it
        towers().lease(DEFAULT_TOWER, patience=LOADED_WITHIN)
    # What is loaded by now stays: whoever looks for garbage need not look through torch and a tower, which holds the
    # interpreter for a quarter of a second.
    gc.collect()
    gc.freeze()


def look_after_memory() -> None:
    """As long as the server runs: what nobody needs goes, and what has gone is the system's again.

    glibc keeps it for next time (``gallop.runtime.process``), and small things that stay lie between large ones that
    went: one visitor's clicks left more and more of it. Garbage is looked for here, where Streamlit would do it after
    every run of a page (``postScriptGC``): all threads stand meanwhile, and a training that is watched with them.
    """
    from app.ui.resources import let_go_of_left_over

    free = 0
    while True:
        time.sleep(LOOKED_AFTER)
        collect_since()
        let_go_of_left_over()
        if MOST_FREE < free_bytes() != free:  # what was trimmed counts as free, too; so at rest nothing is done
            trim()
            free = free_bytes()


@asynccontextmanager
async def starts(_: st.App) -> AsyncIterator[None]:
    """The first visitor is to wait no longer than the second; and the tower that all begin with is loaded.

    That the browser opens is seen to by Streamlit for a script, not for a server of one's own.
    """
    answer_at_once(st.get_option("server.port"))
    make_ready()
    from app.ui import resources

    resources.shared.loop = asyncio.get_running_loop()
    threading.Thread(target=look_after_memory, daemon=True, name="memory").start()
    threading.Thread(target=load_ahead, daemon=True).start()
    if not st.get_option("server.headless"):
        opening = threading.Timer(SOON, webbrowser.open, [get_url(st.get_option("browser.serverAddress"))])
        opening.daemon = True
        opening.start()
    yield


rest = Rest()
streamlits = Path(st.__file__).with_name("static")
own_path = f"/{st.get_option('server.baseUrlPath')}/".replace("//", "/")
first_page = FirstPage(streamlits, own_path, seen_meanwhile)
scripts = Middleware(OwnScripts, folder=streamlits, parts=FIRST_PARTS, fonts=FIRST_FONTS, rest=rest, first=first_page)
room = Middleware(RoomForFiles, path=own_path, comes=announced, gone=not_come)
app = st.App(
    HERE / "navigation.py",
    routes=[Route(f"{own_path}notebooks/{{stem}}.zip", notebook)],
    middleware=[Middleware(OwnPagesOnly), Middleware(KnownBrowsers, path=own_path), room, scripts],
    lifespan=starts,
)
