"""A log with a line of JSON for each event.

It has nothing of a photo, a file's name, an address or a key.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from typing import Any

from gallop.wording import one_line

_log = logging.getLogger("gallop.service.http")


def log(event: str, level: int = logging.INFO, error: BaseException | None = None, **facts: Any) -> None:
    """Log an event, and the error that it is about."""
    _log.log(level, event, exc_info=error, extra={"facts": {"event": event} | facts})


class JsonLines(logging.Formatter):
    """Writes each record as one line of JSON; of an error kind and place, since its words may quote anything."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {"time": f"{at}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        fields |= getattr(record, "facts", None) or {"event": "server", "message": one_line(record.getMessage())}
        if record.exc_info and record.exc_info[1] is not None:
            frames = traceback.extract_tb(record.exc_info[1].__traceback__)[-12:]
            places = [f"{'/'.join(each.filename.split('/')[-3:])}:{each.lineno} {each.name}" for each in frames]
            fields |= {"error": type(record.exc_info[1]).__name__, "at": places}
        return json.dumps(fields, default=str)


LOG_AS_JSON: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonLines}},
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        name: {"level": level, "handlers": ["json"], "propagate": False}
        for name, level in {
            "gallop.service.http": "INFO",
            "uvicorn": "WARNING",
            "asyncio": "WARNING",
            "python_multipart": "CRITICAL",  # it quotes what was sent
        }.items()
    },
}
"""For ``logging.config``: a line of JSON for each event to standard error, warnings of the server's libraries too."""
