"""Metrics for Prometheus, and a log with a line of JSON for each event.

Neither has anything of a photo, a file's name, an address or a key.
"""

from __future__ import annotations

import json
import logging.config
import time
import traceback
from collections import deque
from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from gallop.errors import GallopError, sentence_of
from gallop.model.calibration import Calibration
from gallop.wording import one_line

METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_log = logging.getLogger("gallop.service.http")
_log.addHandler(logging.NullHandler())  # before the service runs, the command line reports errors
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PHOTOS = (1, 2, 4, 8, 16, 32, 64)
_LAST = 500
"""Photos of each model that are compared with its shots."""


class Metrics:
    """The figures of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        here: dict[str, Any] = {"registry": self._registry}
        ProcessCollector(**here)
        self.requests = Counter("gallop_requests", "Requests that have ended.", ["route", "status"], **here)
        self.seconds = Histogram(
            "gallop_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            **here,
        )
        self.photos = Counter("gallop_photos", "Photos answered.", ["model"], **here)
        self._unlike = Gauge(
            "gallop_unlike_shots",
            f"1 where the last {_LAST} photos look unlike the shots: the limit does not hold for them.",
            ["model"],
            **here,
        )
        self._scores: dict[str, deque[float]] = {}
        self.batches = Histogram("gallop_batch_photos", "Photos in a batch.", buckets=_PHOTOS, **here)
        self.batch_seconds = Histogram("gallop_batch_seconds", "Seconds that a batch took.", buckets=_SECONDS, **here)
        self.waiting = Gauge("gallop_waiting_photos", "Photos that wait for an answer.", **here)
        self.bodies = Gauge("gallop_body_bytes", "Bytes of request bodies in memory.", **here)

    def watch(self, model: str, calibration: Calibration) -> None:
        """Compare the photos that a model is asked about with its shots, whenever the figures are read."""
        scores = self._scores[model] = deque(maxlen=_LAST)
        self._unlike.labels(model).set_function(lambda: bool(calibration.unlike(list(scores))))

    def answered(self, model: str, scores: Sequence[float]) -> None:
        """Count the photos that a model has answered, by their scores of the verdict."""
        self.photos.labels(model).inc(len(scores))
        self._scores[model].extend(scores)

    def batch(self, photos: int, seconds: float) -> None:
        self.batches.observe(photos)
        self.batch_seconds.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)


def log(event: str, level: int = logging.INFO, **facts: Any) -> None:
    """Log an event."""
    _log.log(level, event, extra={"facts": facts})


def log_failure(event: str, error: BaseException, **facts: Any) -> None:
    """Log a failure: its sentence if there is one, else the place in the code.

    The message of an error without a sentence may quote anything, so it is left out.
    """
    sentence = sentence_of(error) if isinstance(error, GallopError | OSError) else None
    if sentence is not None:
        log(event, logging.ERROR, **facts, message=one_line(sentence))
    else:
        log(event, logging.ERROR, **facts, error=type(error).__name__, at=_frames(error))


def log_as_json() -> None:
    """Log to standard error from now on, one line of JSON per event; warnings of the server's libraries too."""
    levels = {
        "gallop.service.http": "INFO",
        "uvicorn": "WARNING",
        "asyncio": "WARNING",
        "python_multipart": "CRITICAL",  # it quotes what was sent
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
            "loggers": {
                name: {"level": level, "handlers": ["json"], "propagate": False} for name, level in levels.items()
            },
        }
    )


class JsonLines(logging.Formatter):
    """Writes each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {"time": f"{at}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        facts = getattr(record, "facts", None)
        if facts is not None:
            return json.dumps(fields | {"event": record.getMessage()} | facts, default=str)
        fields |= {"event": "server", "message": one_line(record.getMessage())}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= {"error": type(record.exc_info[1]).__name__, "at": _frames(record.exc_info[1])}
        return json.dumps(fields)


def _frames(error: BaseException) -> list[str]:
    """Where an error was raised, the innermost last: modules, lines and functions."""
    return [
        f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
