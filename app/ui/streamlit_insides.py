"""All that the app uses of Streamlit's insides: what for, and what is missed without it.

Nothing here is promised by Streamlit: names with an underscore, modules below ``streamlit.runtime``, what its pages
and files are called. Where such a name is gone the app starts all the same, and its log says what is missed. No other
module uses such names. (``app.middleware`` also reads Streamlit's ``index.html`` and ``manifest.json``: where they are
laid out otherwise, the first page comes as Streamlit sends it.) An issue of streamlit/streamlit is named where one is
known; ``docs/reference/streamlit.md`` shows the two faults that have none.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, TypeVar, cast

import streamlit as st

from gallop.runtime.hosts import LOCAL_NAMES

_log = logging.getLogger(__name__)

T = TypeVar("T")

# What Explore is drawn with, in the list of files of Streamlit's page. Without it browsers load these later.
FIRST_PARTS = (
    *("BidiComponent", "Button", "Checkbox", "FileUploader", "Multiselect", "PageLink", "Selectbox", "TextArea"),
)
FIRST_FONTS = ("MaterialSymbols-Rounded",)
# Matches in a page when its last run has ended. Without it the first picture stays until its time limit.
PAGE_IS_DRAWN = "[data-testid=stApp][data-test-script-state=notRunning]"
# Matches in the place of an element whose script the browser still loads. Without it the answer may jump then.
PART_IS_LOADING = "[data-testid=stSkeleton]"


def comfort(missed: str, otherwise: Any = None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Let a function give ``otherwise`` where it uses a name that is gone, and log once what is missed then."""

    def guarded(act: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(act)
        def call(*args: Any) -> T:
            try:
                return act(*args)
            except (ImportError, AttributeError) as error:
                _report(missed, str(error))
                return cast(T, otherwise)

        return call

    return guarded


@functools.cache
def _report(missed: str, reason: str) -> None:
    _log.warning("Streamlit %s does not work as this app expects (%s): %s.", st.__version__, reason, missed)


def _context() -> Any:
    return import_module("streamlit.runtime.scriptrunner").get_script_run_ctx()


def _server() -> Any:
    """Return Streamlit's runtime; None in tests, which have none."""
    runtime = import_module("streamlit.runtime")
    return runtime.get_instance() if runtime.exists() else None


def for_this_machine_alone() -> bool:
    """Return whether only this machine's own browsers reach the app."""
    return {st.get_option("server.address"), *st.get_option("server.allowedHosts")} <= {*LOCAL_NAMES}


def programs_refused() -> str:
    """Return why Streamlit's interface for programs may not be on here, as a sentence; empty where it may or is off."""
    with suppress(RuntimeError):  # Streamlit before 1.67 has no such option
        if st.get_option("server.enableAgentApi") and not for_this_machine_alone():
            return (
                "server.enableAgentApi lets any program that reaches the app use it without a browser, and so without "
                "the cookie that tells visitors apart. It is for this machine alone: leave out --host, or turn it off."
            )
    return ""


@comfort("sessions are closed only when others need their place", "")
def this_page() -> str:
    """Return Streamlit's name for the open page that is being drawn: a session lives as long as one of its pages."""
    return str(_context().session_id)


@comfort("sessions are closed only when others need their place", True)
def connected(page: str) -> bool:
    """Return whether a page is still open, as far as the server knows; without a server, in tests, it is."""
    server = _server()
    return not page or server is None or bool(server.is_active_session(page))


@comfort("what Streamlit stores for a page stays in memory until the next page is closed")
def close_page(page: str) -> None:
    """On the server's thread: drop what Streamlit stores for a page that was closed, its widgets and files.

    By itself it does so when the next page is closed, which may be never (issue 12506).
    """
    if not connected(page):
        _server().close_session(page)


@comfort("files that were read stay in memory until their page is closed")
def drop_file(page: str, file: str) -> None:
    """Drop a file that was sent, by its number (issues 6748 and 9218)."""
    if (server := _server()) is not None:
        server.uploaded_file_mgr.remove_file(page, file)


@comfort("a page may be drawn inside a dialog that was just closed")
def draw_from_the_top() -> None:
    """Before anything of a run is drawn: let it be drawn on the page itself.

    A thread that has drawn a part of the page again, such as a dialog, may have to draw the full page next. Streamlit
    would continue inside that part: the page in a dialog, or an error where it opens the dialog that it seems to be in.
    """
    stack = import_module("streamlit.delta_generator_singletons")
    stack.context_dg_stack.set(stack.get_default_dg_stack_value())


@contextmanager
def drawn_anew() -> Iterator[None]:
    """After a complete run: drop what was registered before it of widgets that it has not drawn again.

    Streamlit drops none of it before the page is closed, with all that callbacks refer to: one visitor's clicks
    held dozens of models in memory.
    """
    before = dict(_registered())
    yield
    registered = _registered()
    for name, known in before.items():
        if registered.get(name) is known:
            del registered[name]


@comfort("objects that removed widgets refer to stay in memory until their page is closed", {})
def _registered() -> dict[str, Any]:
    """Return what Streamlit has registered of every widget that this page has ever drawn, by its id."""
    return cast("dict[str, Any]", _context().session_state._state._new_widget_state.widget_metadata)


_ANSWERS = ("file_urls_response", "backend_operation_response")


@comfort("a file that is dropped on a page just as a run begins may be lost")
def keep_answers() -> None:
    """Let answers to the browser stay in what waits to be sent, on each page that is opened from now on.

    With each run that begins Streamlit drops what the run before it had left to send, and with it answers to what the
    browser has asked: where a file may be sent to, what a download contains. It asks once. So a file that was
    dropped on the page just as a run began was never sent, without any message.
    """
    app_session: Any = import_module("streamlit.runtime.app_session")
    usual = app_session.ForwardMsgQueue
    _ = usual()._queue

    class Outbox(usual):  # type: ignore[misc, valid-type]
        def clear(self, retain_lifecycle_msgs: bool = False, *more: Any, **named: Any) -> None:
            answers = [message for message in self._queue if message.WhichOneof("type") in _ANSWERS]
            super().clear(retain_lifecycle_msgs, *more, **named)
            if retain_lifecycle_msgs:  # else the page is closed, or begins again
                remaining = {id(message) for message in self._queue}
                self._queue += [message for message in answers if id(message) not in remaining]

    app_session.ForwardMsgQueue = Outbox


class ToThePageAskedFor:
    """Comes before Streamlit's ``AppSession``: a visitor who goes to another page gets there.

    With everything that a browser reports it names the page that it shows, and Streamlit draws that one. So a map that
    reported its state in the moment after a click on another page's name took its visitor back, and the click was
    lost: on a busy machine that moment is a second. Here what is reported goes to the page that was asked for, and a
    page that draws itself again in that moment is left all the same.
    """

    # What the browser sent with a click on the name of a page whose first run has not begun.
    _click: Any = None

    def request_rerun(self: Any, client_state: Any) -> None:
        if _is_wanted(self, client_state):
            super().request_rerun(client_state)  # type: ignore[misc]

    def _handle_scriptrunner_event_on_event_loop(self: Any, sender: Any, event: Any, *rest: Any, **more: Any) -> None:
        now = sender is self._scriptrunner  # else Streamlit leaves it out
        super()._handle_scriptrunner_event_on_event_loop(sender, event, *rest, **more)  # type: ignore[misc]
        click = self._click
        if click is None or not now:
            return
        if event.name == "SCRIPT_STARTED":
            if self._client_state.page_script_hash == click.page_script_hash:
                self._click = None
        elif event.name == "SHUTDOWN":  # st.rerun() or st.stop() of the page before took its place
            self._click = None
            if connected(self.id):
                self.request_rerun(click)


@comfort("a click on a page's name may be lost", True)
def _is_wanted(visit: Any, client_state: Any) -> bool:
    """Whether a run is still wanted of what a browser reports; the page asked for takes the place of the one shown."""
    if client_state is None or not client_state.page_script_hash:  # the first run
        return True
    pages = visit._pages_manager.get_pages()
    page = (visit._click or visit._client_state).page_script_hash  # in the first run, that of no page
    if not (client_state.widget_states.widgets or client_state.fragment_id or client_state.is_auto_rerun):
        # A click on the name of a page, or on the browser's back. With it come widgets that are on every page, and
        # ``app.navigation`` draws none that has a state.
        visit._click = client_state if client_state.page_script_hash in pages else None
    elif page in pages and page != client_state.page_script_hash:
        if client_state.is_auto_rerun:
            return False
        client_state.page_script_hash = page
        client_state.fragment_id = ""  # a part of the page that was left
    return True


@comfort("a click on a page's name may be lost")
def keep_to_the_page_asked_for() -> None:
    """Let each page that is opened from now on be drawn by way of ``ToThePageAskedFor``."""
    manager: Any = import_module("streamlit.runtime.websocket_session_manager")
    usual = manager.AppSession
    _ = usual.request_rerun, usual._handle_scriptrunner_event_on_event_loop
    manager.AppSession = type("Visit", (ToThePageAskedFor, usual), {})
