"""Streamlit's insides."""

from __future__ import annotations

from typing import Any

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime import app_session, websocket_session_manager
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner import ScriptRunnerEvent


class Visit(AppSession):
    """Streamlit's, but who goes to another page gets there.

    With everything that a browser reports it names the page that it shows, and Streamlit draws that one. So a map that
    said where it stands in the moment after a click on another page's name took its visitor back, and the click was
    lost: on a busy machine that moment is a second. Here what is reported goes to the page that was asked for, and a
    page that draws itself anew in that moment is left all the same.
    """

    _click: ClientState | None = None
    """On the name of a page whose first run has not begun."""

    def request_rerun(self, client_state: ClientState | None) -> None:
        if client_state is not None and client_state.page_script_hash:  # else it is the first run
            pages = self._pages_manager.get_pages()
            page = (self._click or self._client_state).page_script_hash  # in the first run, that of no page
            if _leads_on(client_state):
                self._click = client_state if client_state.page_script_hash in pages else None
            elif page in pages and page != client_state.page_script_hash:
                if client_state.is_auto_rerun:
                    return
                client_state.page_script_hash = page
                client_state.fragment_id = ""  # a part of the page that was left
        super().request_rerun(client_state)

    def _handle_scriptrunner_event_on_event_loop(
        self, sender: Any, event: ScriptRunnerEvent, *said: Any, **more: Any
    ) -> None:
        now = sender is self._scriptrunner  # else Streamlit leaves it out
        super()._handle_scriptrunner_event_on_event_loop(sender, event, *said, **more)
        click = self._click
        if click is None or not now:
            return
        if event == ScriptRunnerEvent.SCRIPT_STARTED:
            if self._client_state.page_script_hash == click.page_script_hash:
                self._click = None
        elif event == ScriptRunnerEvent.SHUTDOWN:  # st.rerun() or st.stop() of the page before took its place
            from app.ui.resources import connected

            self._click = None
            if connected(self.id):
                self.request_rerun(click)


def _leads_on(client_state: ClientState) -> bool:
    """Whether it is a click on the name of a page, or on the browser's back.

    With it come widgets that stand on every page, and ``app.navigation`` draws none that has a state.
    """
    return not (client_state.widget_states.widgets or client_state.fragment_id or client_state.is_auto_rerun)


def keep_to_the_page_asked_for() -> None:
    """Let each page that is opened from now on be a ``Visit``."""
    websocket_session_manager.AppSession = Visit  # type: ignore[attr-defined]


_ANSWERS = ("file_urls_response", "backend_operation_response")


class Outbox(ForwardMsgQueue):
    """Streamlit's, but answers to the browser stay in it.

    With each run that begins Streamlit drops what the run before it had left to send, and with it answers to what the
    browser itself has asked: where a file may be sent to, what a download holds. It asks once. So a file that was
    dropped on the page just as a run began was never sent, and nothing said so.
    """

    def clear(self, retain_lifecycle_msgs: bool = False, fragment_ids_this_run: list[str] | None = None) -> None:
        answers = [message for message in self._queue if message.WhichOneof("type") in _ANSWERS]
        super().clear(retain_lifecycle_msgs, fragment_ids_this_run)
        if retain_lifecycle_msgs:  # else the page is closed, or begins anew
            kept = {id(message) for message in self._queue}
            self._queue += [message for message in answers if id(message) not in kept]


def keep_answers() -> None:
    """Give each page that is opened from now on an ``Outbox``."""
    app_session.ForwardMsgQueue = Outbox  # type: ignore[attr-defined]
