"""What waits to be sent to a browser."""

from __future__ import annotations

from streamlit.runtime import app_session
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

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
