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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
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

from app import options
from app.middleware import (
    KnownBrowsers,
    OwnNamesOnly,
    Rest,
    ScriptsFromMemory,
    answer_at_once,
    first_page,
)
from gallop.cli.arguments.running import add_app_words

# Seconds: the server listens when all of its parts have started, this one too.
SOON = 0.5
# Seconds in which a backbone is loaded on the slowest machine.
LOADED_WITHIN = 300.0
# Seconds without any response: the first picture and loading the backbone would delay each other.
REST = 1.5
# Seconds between two checks of the memory.
LOOKED_AFTER = 10.0
FIRST_SCRIPTS = (HERE / "navigation.py", HERE / "ui" / "explore" / "page.py")


is_script = Path(sys.argv[0]).resolve() == HERE / "main.py"  # another server, such as uvicorn itself, has other options
if is_script:
    # The options of the app itself, after ``--``; ``gallop app`` passes them on.
    parser = argparse.ArgumentParser("streamlit run app/main.py --", allow_abbrev=False)
    add_app_words(parser)
    parsed = parser.parse_args()
    if parsed.data:
        os.environ["GALLOP_DATA"] = parsed.data
    given = {name: getattr(parsed, name) for name in ("device", "precision", "regions", "keep")}
    if parsed.visitor_memory is not None:
        given["visitor_memory"] = parsed.visitor_memory
    options.started = options.Options(tuple(parsed.backbones), parsed.backbone_memory, parsed.allow_downloads, **given)

# What all visitors share is created with these options, so it is imported after them.
from app.photos.sample_answers import sample_answers
from app.shared_backbones import DEFAULT_BACKBONE, BackboneProblem
from app.ui import resources, streamlit_insides
from app.ui.explore.waiting import first_picture
from app.views.method import NOTEBOOKS, notebook_files
from gallop.data.zip_files import zipped
from gallop.runtime.process import collect_since, trim

streamlit_insides.keep_answers()
streamlit_insides.keep_to_the_page_asked_for()


def make_ready() -> None:
    """Load and compute what the first visitor would otherwise wait for."""
    for script in FIRST_SCRIPTS:
        imports: list[ast.stmt] = [
            node for node in ast.parse(script.read_bytes()).body if isinstance(node, ast.ImportFrom)
        ]
        exec(compile(ast.Module(imports, []), script, "exec"), {})
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
    with suppress(BackboneProblem):  # a page that needs it reports the problem
        resources.backbones().lease(DEFAULT_BACKBONE, patience=LOADED_WITHIN)
    import_module("gallop.estimator")  # answers the first photo; loaded then, it would take as long as all the rest
    # What is loaded by now stays, so garbage collection need not scan torch and a backbone, which blocks the
    # interpreter for a quarter of a second.
    gc.collect()
    gc.freeze()


def look_after_memory() -> None:
    """Collect garbage and return free memory to the system, as long as the server runs.

    glibc holds freed memory (``gallop.runtime.process``), and small objects that stay are between large ones that are
    gone: the clicks of one visitor left more and more free memory. Garbage is collected here, since Streamlit would do
    it after every run of a page (``postScriptGC``): all threads stop meanwhile, including a training.
    """
    while True:
        time.sleep(LOOKED_AFTER)
        if collect_since():  # at rest nothing is done
            trim()


@asynccontextmanager
async def starts(_: st.App) -> AsyncIterator[None]:
    """Start the server's threads, with the first page ready and the default backbone on its way.

    Streamlit opens the browser only where it runs a script, not for an ASGI app, so that is done here.
    """
    answer_at_once(st.get_option("server.port"))
    make_ready()
    resources.shared.loop = asyncio.get_running_loop()
    threading.Thread(target=look_after_memory, daemon=True, name="memory").start()
    threading.Thread(target=load_ahead, daemon=True).start()
    if not st.get_option("server.headless"):
        scheme = "https" if st.get_option("server.sslCertFile") else "http"
        address = f"{st.get_option('browser.serverAddress')}:{st.get_option('browser.serverPort')}"
        opening = threading.Timer(SOON, webbrowser.open, [f"{scheme}://{address}{base_path.rstrip('/')}"])
        opening.daemon = True
        opening.start()
    yield


if refusal := streamlit_insides.programs_refused():
    sys.exit(refusal)
rest = Rest()
static = Path(st.__file__).with_name("static")
base_path = f"/{st.get_option('server.baseUrlPath')}/".replace("//", "/")
app = st.App(
    HERE / "navigation.py",
    routes=[Route(f"{base_path}notebooks/{{stem}}.zip", notebook)],
    middleware=[
        Middleware(OwnNamesOnly, names=st.get_option("server.allowedHosts")),
        Middleware(KnownBrowsers, path=base_path),
        Middleware(
            ScriptsFromMemory,
            folder=static,
            parts=streamlit_insides.FIRST_PARTS,
            fonts=streamlit_insides.FIRST_FONTS,
            rest=rest,
            first=partial(first_page, static, base_path, first_picture),
        ),
    ],
    lifespan=starts,
)
