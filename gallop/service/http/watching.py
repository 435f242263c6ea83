"""Metrics for Prometheus, and a log with a line of JSON for each event.

Neither has anything of a photo, a file's name, an address or a key.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections import deque
from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from gallop.model.calibration import Calibration
from gallop.wording import one_line

_log = logging.getLogger("gallop.service.http")


class Metrics:
    """The figures of a service, for the model of that name and calibration."""

    def __init__(self, model: str, calibration: Calibration) -> None:
        self.registry, self._scores = CollectorRegistry(), deque[float](maxlen=500)
        here: dict[str, Any] = {"registry": self.registry}
        ProcessCollector(**here)
        self._requests = Counter("gallop_requests", "Requests that have ended.", ["route", "status"], **here)
        words = "Seconds from the head of a request to the end of its answer."
        self._seconds = Histogram("gallop_request_seconds", words, ["route"], **here)
        self.waiting = Gauge("gallop_waiting_photos", "Photos that wait for an answer.", **here)
        self._photos = Counter("gallop_photos", "Photos answered.", ["model"], **here).labels(model)
        words = "1 where the last 500 photos look unlike the shots: the limit does not hold for them."
        unlike = Gauge("gallop_unlike_shots", words, ["model"], **here).labels(model)
        unlike.set_function(lambda: bool(calibration.unlike(list(self._scores))))

    def ended(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answered(self, scores: Sequence[float]) -> None:
        """Count photos that were answered, by their scores of the verdict."""
        self._photos.inc(len(scores))
        self._scores.extend(scores)


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
