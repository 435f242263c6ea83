"""Long work beside the page: one worker thread, a bounded queue, true cancelling. Knows no Streamlit and no torch.

A task is cut into small steps by a generator. Between two steps the worker looks whether it was asked to stop, so
"cancelled" is only ever said when the work really stopped.
"""

from __future__ import annotations

import atexit
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

log = logging.getLogger(__name__)

GRACE_SECONDS = 180.0
"""A job nobody asked about for so long belongs to a page that is gone. A background tab still asks once a minute."""


class PlainError(Exception):
    """A failure whose message is a sentence for the person at the screen."""


class QueueFull(PlainError):
    """Too many jobs are waiting."""


class State(Enum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Task(Protocol):
    """Work in steps."""

    def run(self) -> Iterator[Any]:
        """Yield the progress after each step; a task may be closed at any of them."""

    def result(self) -> Any:
        """What there is so far; asked for when the work is done and when it was cancelled."""


@dataclass(frozen=True)
class Snapshot:
    """A job as it stood at one moment. ``ahead`` counts the jobs before it; ``error`` is a sentence."""

    state: State
    ahead: int
    progress: Any
    result: Any
    error: str

    @property
    def active(self) -> bool:
        return self.state in (State.QUEUED, State.RUNNING)


class Job:
    """One task in the queue. Whoever holds it may look and cancel."""

    def __init__(self, task: Task, manager: JobManager) -> None:
        self.id = secrets.token_hex(16)
        self._task: Task | None = task
        self._manager = manager
        self._stop = threading.Event()
        self._seen = time.monotonic()
        self._state = State.QUEUED
        self._progress: Any = None
        self._result: Any = None
        self._error = ""

    def cancel(self) -> None:
        """Ask for a stop after the step in hand. What has been done so far is kept."""
        self._stop.set()
        self._manager._drop_if_waiting(self)

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for; the work may still be in its last step."""
        return self._stop.is_set()

    def snapshot(self) -> Snapshot:
        self._seen = time.monotonic()
        with self._manager._lock:
            return Snapshot(self._state, self._manager._ahead(self), self._progress, self._result, self._error)

    def _wanted(self, grace: float) -> bool:
        return not self._stop.is_set() and time.monotonic() - self._seen <= grace


class JobManager:
    """Runs jobs one after another in a thread of its own.

    Args:
        waiting: how many jobs may wait behind the running one.
        grace: seconds after which a job that nobody asks about is cancelled.
    """

    def __init__(self, waiting: int = 4, grace: float = GRACE_SECONDS) -> None:
        self._waiting, self._grace = waiting, grace
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: deque[Job] = deque()
        self._running: Job | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        # A daemon thread inside torch at exit aborts the process; so it is stopped and joined before.
        atexit.register(self.close)

    def submit(self, task: Task) -> Job:
        """Queue a task.

        Raises:
            QueueFull: too many are waiting.
        """
        job = Job(task, self)
        with self._work:
            if self._closed:
                raise PlainError("The app is shutting down; nothing more is started.")
            if len(self._queue) >= self._waiting + (self._running is None):
                raise QueueFull(f"{len(self._queue)} trainings are waiting already; try again in a minute.")
            self._queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
                self._thread.start()
            self._work.notify()
        return job

    def close(self, timeout: float = 30.0) -> None:
        """Cancel everything and wait until the worker has stopped."""
        with self._work:
            self._closed = True
            for job in [*self._queue, *([self._running] if self._running else [])]:
                job._stop.set()
            self._work.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
        atexit.unregister(self.close)

    def _ahead(self, job: Job) -> int:
        """Jobs before this one; the lock is held."""
        if job not in self._queue:
            return 0
        return self._queue.index(job) + (self._running is not None)

    def _drop_if_waiting(self, job: Job) -> None:
        with self._work:
            if job in self._queue:
                self._queue.remove(job)
                job._state, job._task = State.CANCELLED, None

    def _loop(self) -> None:
        while True:
            with self._work:
                while not self._queue and not self._closed:
                    self._work.wait()
                if not self._queue:
                    return
                job = self._queue.popleft()
                job._state, self._running = State.RUNNING, job
            state, result, error = self._run(job)
            with self._work:
                self._running = None
                job._result, job._error, job._state, job._task = result, error, state, None

    def _run(self, job: Job) -> tuple[State, Any, str]:
        task, steps = job._task, None
        assert task is not None
        try:
            steps = task.run()
            finished = False
            while job._wanted(self._grace):
                try:
                    progress = next(steps)
                except StopIteration:
                    finished = True
                    break
                with self._lock:
                    job._progress = progress
            result = None if self._closed else task.result()
            return (State.DONE if finished else State.CANCELLED), result, ""
        except PlainError as error:
            return State.FAILED, None, str(error)
        except MemoryError:
            return State.FAILED, None, "There is not enough memory for this; use fewer or smaller photos."
        except Exception as error:
            log.exception("A job failed")
            return State.FAILED, None, f"This went wrong inside ({type(error).__name__}); details are in the terminal."
        finally:
            if steps is not None and hasattr(steps, "close"):
                steps.close()
