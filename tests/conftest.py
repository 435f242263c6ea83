"""What the app's tests share: the app in this process, the app as a server, and a browser."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch, as the app does
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers, and what they start, share the cores

import asyncio
import gc
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import hypothesis
import pytest

from tests import warm
from tests.connects import Connects

# A busy machine is slow, not wrong: no time of a single example is a fact.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

T = TypeVar("T")
ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
MAIN = ROOT / "app" / "main.py"
SCRIPT = MAIN.with_name("navigation.py")
"""What the server runs for each visitor."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    # Nothing but the page under test: root needs no sandbox, and the browser's own services ask no server.
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    # A page that a test has put something into may still call the server that it came from.
    "--disable-features=LocalNetworkAccessChecks",
    "--force-prefers-reduced-motion",
    # A moving test picture stands in for a webcam, and nobody is asked whether it may be used.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


def pytest_configure(config: pytest.Config) -> None:
    """Leave the slow tests out, unless a file, a test or a marker expression is named on the command line."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.markexpr = "not slow"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three for everything: on two cores one computes while another waits for a page. What is named runs right here.

    Each begins with a third, so that a server, a browser or a model made for several tests is made once, and takes from
    the others' when it is done (``--dist=worksteal``; groups do nothing with xdist 3.8 under pytest 9.2).
    """
    return 3 if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits longest: at the end, the other workers would wait for it. Mark what needs a browser."""
    items.sort(key=lambda item: item.path.name != "test_ray.py")
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker("browser")


def pytest_collection_finish() -> None:
    """What is there before the first test stays; nobody looks through it for garbage, as a run of a benchmark does."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_main_module() -> Iterator[None]:
    """Streamlit's tests leave the app as ``__main__``; processes that are spawned later would run it first."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session")
def installed_components() -> Any:
    """Streamlit looks for them in every installed package, each time that an app starts: once is enough here."""
    return pytest.importorskip(
        "streamlit.components.v2.manifest_scanner", reason="needs the extra 'app'"
    ).scan_component_manifests()


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP in a folder, as --backbone takes it: it knows nothing, and encodes in milliseconds."""
    from tests import tiny

    return tiny.backbone_folder(tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where features go that are kept on disk: a folder that is not there yet."""
    monkeypatch.setenv("GALLOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed_components: Any) -> Iterator[Any]:
    """A function that opens the app in this process, with a tiny model instead of ``mini`` and all its own."""
    from streamlit.components.v2 import manifest_scanner
    from streamlit.testing.v1 import AppTest

    import gallop.backbones
    from app.ui import resources
    from tests import tiny

    monkeypatch.setenv("GALLOP_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(resources, "shared", resources.Shared())
    monkeypatch.setattr(resources, "PAGE_PATIENCE", 60.0)  # a backbone is there in the first run
    monkeypatch.setattr(gallop.backbones, "load_backbone", lambda name, **_: tiny.new_vit())
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", lambda: installed_components)

    def opened() -> AppTest:
        at = AppTest.from_file(str(SCRIPT), default_timeout=60)
        at.session_state["settings"] = True  # unfolded on Teach, as long as no other page is opened after it
        return at.run()

    yield opened
    for running in (resources.visitors(), resources.jobs(), resources.shared.downloads, resources.backbones()):
        running.close()


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, served on a free port of this machine for all browser tests."""
    pytest.importorskip("streamlit", reason="needs the extra 'app'")
    with served(tmp_path_factory.mktemp("server")) as address:
        yield address


@contextmanager
def served(folder: Path, script: Path = MAIN, *options: str) -> Iterator[str]:
    """The app as a server, or another script that uses its modules; ``folder`` is its home.

    Its process begins with its imports done.
    """
    words = ["-m", "streamlit", "run", str(script), "--server.headless", "true", *options, "--server.port"]
    with serving(folder, [*warm.python(), *words], ROOT) as (address, _):
        yield address


@contextmanager
def serving(
    folder: Path, command: list[str], *path: Path, health: str = "_stcore/health"
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the process of a server whose ``command`` wants a port as its last word; ``folder`` is its home.

    What it says is in ``log.txt`` there. Fails when the server asked anything of another machine.

    Args:
        path: where Python looks for modules first.
        health: what it answers once it has started.
    """
    port, connects = free_port(), Connects(folder)
    inherited = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    environment = connects.environment(os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), *inherited])})
    environment |= {"GALLOP_CACHE": str(folder / "cache"), "GALLOP_DATA": str(folder / "data"), "HOME": str(folder)}
    log = folder / "log.txt"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, str(port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            preexec_fn=None if sys.platform == "win32" else listen_to_interrupts,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/{health}", server, log)
            yield address, server
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    assert connects.away() == [], "the server asked another machine"


def listen_to_interrupts() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and tests that run there pass that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless chromium that is installed on this machine."""
    leave_out_without(_no_browser())
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def node() -> str:
    """The path of a Node that is installed on this machine."""
    found = shutil.which("node")
    leave_out_without("" if found else "no Node was found; on Debian: apt install nodejs")
    return str(found)


@pytest.fixture(scope="session")
def onnxruntime_web() -> None:
    """What pages for browsers run on is beside the package: `make web` fetches it."""
    from gallop.errors import PageError
    from gallop.export.web.fetch import runtime_files

    try:
        runtime_files()
    except PageError as error:
        leave_out_without(str(error))


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it on a thread of its own: once a browser was started, its driver keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def leave_out_without(missing: str) -> None:
    """Leave a test out where this is missing (nothing is where the text is empty); in CI that is a failure."""
    if missing and os.environ.get("GALLOP_REQUIRE_TOOLS") == "1":
        pytest.fail(f"GALLOP_REQUIRE_TOOLS=1, and {missing}")
    if missing:
        pytest.skip(missing)


@contextmanager
def launched() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Any, app_server: str) -> Iterator[Any]:
    """A function that opens the app in a context of its own."""
    with visiting(browser, app_server) as make:
        yield make


@pytest.fixture
def page(new_page: Any) -> Any:
    """The app, opened in a browser."""
    return new_page()


@contextmanager
def visiting(browser: Any, server: str) -> Iterator[Any]:
    """A function that opens a page there in a context of its own; fails when one asked anything of another machine."""
    away: list[str] = []

    def note(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1":
            away.append(address)

    def make(path: str = "", **settings: Any) -> Any:
        from tests.browsing import PATIENCE, RUNS

        settings = {"viewport": {"width": 1400, "height": 1000}, "reduced_motion": "reduce"} | settings
        context = stack.enter_context(browser.new_context(**settings))
        context.on("request", lambda request: note(request.url))
        context.add_init_script(RUNS)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("websocket", lambda socket: note(socket.url))
        page.goto(f"{server}/{path}")
        page.get_by_role("heading", level=1).wait_for()
        return page

    with ExitStack() as stack:
        yield make
    assert away == [], "the page asked another machine"


def browser_path() -> str | None:
    return os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)


def _no_browser() -> str:
    """Why there is no browser to drive; empty when there is one."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed (pip install playwright)"
    return "" if browser_path() else f"no browser was found ({', '.join(BROWSERS)}); on Debian: apt install chromium"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The server did not start:\n{log.read_text(errors='replace')[-2000:]}")
