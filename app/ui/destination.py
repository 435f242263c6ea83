"""Where a visitor is going who has clicked on the name of another page."""

from __future__ import annotations

from typing import Any

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime import websocket_session_manager
from streamlit.runtime.app_session import AppSession


class Visit(AppSession):
    """Streamlit's, but who goes to another page gets there.

    With everything that a browser reports it names the page that it shows, and Streamlit draws that one. So a map that
    said where it stands in the moment after a click on another page's name took its visitor back, and the click was
    lost: on a busy machine that moment is a second. Here what is reported goes to the page that was asked for.
    """

    _asked_for = ""
    """The page whose first run has not begun."""

    def request_rerun(self, client_state: ClientState | None) -> None:
        if client_state is not None and client_state.page_script_hash:  # else it is the first run
            if _leads_on(client_state):
                known = client_state.page_script_hash in self._pages_manager.get_pages()
                self._asked_for = client_state.page_script_hash if known else ""
            elif page := self._asked_for or self._client_state.page_script_hash:
                client_state.page_script_hash = page
        super().request_rerun(client_state)

    def _handle_scriptrunner_event_on_event_loop(self, *said: Any, **more: Any) -> None:
        super()._handle_scriptrunner_event_on_event_loop(*said, **more)
        if self._client_state.page_script_hash == self._asked_for:
            self._asked_for = ""


def _leads_on(client_state: ClientState) -> bool:
    """Whether it is a click on the name of a page: with it comes no word of the widgets of the page that is left."""
    return not (client_state.widget_states.widgets or client_state.fragment_id or client_state.is_auto_rerun)


def keep_to_the_page_asked_for() -> None:
    """Let each page that is opened from now on be a ``Visit``."""
    websocket_session_manager.AppSession = Visit  # type: ignore[attr-defined]
