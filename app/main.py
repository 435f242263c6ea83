"""The app's server: ``gallop app``, or ``streamlit run app/main.py``. What a visitor sees begins in ``navigation``."""

from __future__ import annotations

import argparse
import ast
import asyncio
import gc
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
from app.options import Options, start_with
from gallop.cli.arguments.app import add_app_words

# Seconds: the server listens when all of its parts have started, this one too.
SOON = 0.5
# Seconds in which a backbone is loaded on the slowest machine.
LOADED_WITHIN = 300.0
# Seconds in which nobody is sent anything: the first picture and the backbone would wait for each other.
REST = 1.5
# Seconds between two looks at the memory.
LOOKED_AFTER = 10.0
# Bytes that are kept for next time: a training step takes and frees as much, again and again.
MOST_FREE = 64 * 2**20
FIRST_SCRIPTS = (HERE / "navigation.py", HERE / "ui" / "explore" / "page.py")


def app_options(words: Sequence[str]) -> argparse.Namespace:
    """Return the options of the app itself, after ``--``; ``gallop app`` hands them on."""
    parser = argparse.ArgumentParser("streamlit run app/main.py --", allow_abbrev=False)
    add_app_words(parser)
    return parser.parse_args(words)


own_start = Path(sys.argv[0]).resolve() == HERE / "main.py"  # another server, such as uvicorn itself, has its own words
if own_start:
    told = app_options(sys.argv[1:])
    if told.data:
        os.environ["GALLOP_DATA"] = told.data
    given = {name: getattr(told, name) for name in ("device", "precision", "regions", "keep")}
    if told.visitor_memory is not None:
        given["visitor_memory"] = told.visitor_memory
    start_with(Options(tuple(told.backbones), told.backbone_memory, told.allow_downloads, **given))

# What is shared by all visitors is made with these options, so it is imported after them.
from app.backbones import DEFAULT_BACKBONE, BackboneProblem
from app.photos.sample_answers import sample_answers
from app.runs.run import zipped
from app.ui import resources, streamlit_insides
from app.ui.explore.waiting import first_picture
from app.views.method import NOTEBOOKS, notebook_files
from gallop.runtime.process import collect_since, free_bytes, trim

streamlit_insides.explain_late_downloads()
streamlit_insides.keep_answers()
streamlit_insides.keep_to_the_page_asked_for()


def make_ready() -> None:
    """Load and compute what the first visitor would otherwise wait for."""
    for script in FIRST_SCRIPTS:
        for node in ast.parse(script.read_bytes()).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                module = import_module(node.module)
                for name in node.names:
                    if not hasattr(module, name.name):
                        import_module(f"{node.module}.{name.name}")
    for answer in sample_answers().values():
        _ = answer.shown, answer.thumbnail
    first_picture("", "")


def notebook(request: Request) -> Response:
    """Return a notebook that a step of the page Method links to, with what it imports."""
    stem = request.path_params["stem"]
    if stem not in NOTEBOOKS:
        raise HTTPException(404)
    return Response(
        zipped(notebook_files(stem)),
        media_type="application/zip",
        headers={"content-disposition": f'attachment; filename="{stem}.zip"'},
    )


def load_ahead() -> None:
    """Load the default backbone in the background: the first sample is shown without it."""
    rest.wait(REST)
    with suppress(BackboneProblem):  # a page says so to whoever needs it
        resources.backbones().lease(DEFAULT_BACKBONE, patience=LOADED_WITHIN)
    # What is loaded by now stays: whoever looks for garbage need not look through torch and a backbone, which holds the
    # interpreter for a quarter of a second.
    gc.collect()
    gc.freeze()


def look_after_memory() -> None:
    """Free what nobody needs and return it to the system, as long as the server runs.

    glibc keeps it for next time (``gallop.runtime.process``), and small things that stay lie between large ones that
    went: one visitor's clicks left more and more of it. Garbage is looked for here, where Streamlit would do it after
    every run of a page (``postScriptGC``): all threads stand meanwhile, and a training that is watched with them.
    """
    free = 0
    while True:
        time.sleep(LOOKED_AFTER)
        collect_since()
        resources.let_go_of_left_over()
        if MOST_FREE < free_bytes() != free:  # what was trimmed counts as free, too; so at rest nothing is done
            trim()
            free = free_bytes()


@asynccontextmanager
async def starts(_: st.App) -> AsyncIterator[None]:
    """Start the server's threads, with the first page ready and the default backbone on its way.

    That the browser opens is seen to by Streamlit for a script, not for a server of one's own.
    """
    answer_at_once(st.get_option("server.port"))
    make_ready()
    resources.shared.loop = asyncio.get_running_loop()
    threading.Thread(target=look_after_memory, daemon=True, name="memory").start()
    threading.Thread(target=load_ahead, daemon=True).start()
    if not st.get_option("server.headless"):
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        address = f"{st.get_option('browser.serverAddress')}:{st.get_option('browser.serverPort')}"
        opening = threading.Timer(SOON, webbrowser.open, [f"{scheme}://{address}{own_path.rstrip('/')}"])
        opening.daemon = True
        opening.start()
    yield


rest = Rest()
static = Path(st.__file__).with_name("static")
own_path = f"/{st.get_option('server.baseUrlPath')}/".replace("//", "/")
app = st.App(
    HERE / "navigation.py",
    routes=[Route(f"{own_path}notebooks/{{stem}}.zip", notebook)],
    middleware=[
        Middleware(OwnPagesOnly),
        Middleware(KnownBrowsers, path=own_path),
        Middleware(
            RoomForFiles,
            path=own_path + streamlit_insides.UPLOADS,
            comes=resources.file_comes,
            gone=resources.unread().has_gone,
        ),
        Middleware(
            OwnScripts,
            folder=static,
            parts=streamlit_insides.FIRST_PARTS,
            fonts=streamlit_insides.FIRST_FONTS,
            rest=rest,
            first=FirstPage(static, own_path, first_picture),
        ),
    ],
    lifespan=starts,
)
