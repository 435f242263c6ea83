"""Long work in the background: one worker thread, turns by visitor, real cancelling. Knows no Streamlit and no torch.

A task is a generator of small steps. Between two steps the worker checks whether it was asked to stop, so a job is
"cancelled" only when the work has really stopped; and whether a more urgent job waits, so background work yields to a
training at once and continues after it. Visitors' background work takes turns of half a second.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import threading
import time
from bisect import insort
from collections.abc import Generator, Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from gallop.errors import GallopError, sentence_of

_log = logging.getLogger(__name__)

T = TypeVar("T")

# With the backbone that ships a step takes a second or two, with a large one on a busy processor minutes. One that
# takes so long is given up, so that others need not wait for it.
STUCK_SECONDS = 600.0
# Seconds of background work after which that of another visitor has its turn.
TURN_SECONDS = 0.5


class PlainError(GallopError):
    """A failure whose message is a sentence for the user."""


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
        """Return what there is so far, when the work is done or was cancelled."""


@dataclass(frozen=True)
class Counted:
    """The progress of a task, as a fraction and as a sentence."""

    fraction: float
    sentence: str


# What is shown of a task before its first step.
NOT_BEGUN = Counted(0.0, "Starting")


class Steps(Generic[T]):
    """A task that is one generator: what it yields is its progress, what it returns at its end is its result."""

    def __init__(self, steps: Generator[Any, None, T]) -> None:
        self._steps = steps
        self._made: T | None = None

    def run(self) -> Iterator[Any]:
        self._made = yield from self._steps

    def result(self) -> T | None:
        """Return what it made; None where it was cancelled before its end."""
        return self._made


def counted_steps(steps: Iterator[Any], key: Hashable) -> Generator[Counted, None, tuple[Hashable, Any]]:
    """Take steps of the library, which tell how far they are; return the key, and the last of them, the result."""
    for event in steps:
        if hasattr(event, "stage"):
            yield Counted(event.done / event.total, f"{event.stage.capitalize()}: {event.done} of {event.total}")
    return key, event


@dataclass(frozen=True)
class Snapshot:
    """The state of a job at one moment. ``ahead`` counts the jobs before it; ``error`` is a sentence."""

    state: State
    ahead: int
    progress: Any
    result: Any
    error: str

    @property
    def active(self) -> bool:
        return self.state in (State.QUEUED, State.RUNNING)


class Job:
    """One task in the queue, with methods to inspect and cancel it.

    Attributes:
        number: unique in the process.
        visitor: whose it is.
        stopped: whether its last step is over; what it has made may still be measured.
        turn: when it is due: the first job of each visitor is in an earlier round than the second job of any visitor.
            Those that a visitor waits for come before all others.
    """

    _numbers = itertools.count(1)

    def __init__(self, task: Task, manager: JobManager, *, urgent: bool, visitor: str, round_: int) -> None:
        self.number = next(Job._numbers)
        self.urgent, self.visitor, self.turn = urgent, visitor, (not urgent, round_, self.number)
        self._task: Task | None = task
        self._steps: Iterator[Any] | None = None
        self._manager = manager
        self._stop = threading.Event()
        self.stopped = False
        self._state = State.QUEUED
        self._progress: Any = None
        self._result: Any = None
        self._error = ""

    def cancel(self) -> None:
        """Ask for a stop after the current step. The result so far remains available."""
        self._stop.set()
        self._manager._drop_if_not_begun(self)

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for; the work may still be in its last step."""
        return self._stop.is_set()

    def snapshot(self) -> Snapshot:
        with self._manager._lock:
            self._manager._give_up_if_stuck()
            return Snapshot(self._state, self._manager._ahead(self), self._progress, self._result, self._error)

    def _end(self, state: State, result: Any = None, error: str = "") -> None:
        """The manager's lock is held."""
        self._state, self._result, self._error, self._task, self._steps = state, result, error, None, None


class JobManager:
    """Runs jobs one after another in a separate thread, urgent ones first, and of these one of each visitor in turn.

    Args:
        waiting: how many jobs of each kind a visitor may have behind the running one.
        stuck: seconds after which a job that is still in the same step is given up.
    """

    def __init__(self, waiting: int = 4, stuck: float = STUCK_SECONDS) -> None:
        self._waiting, self._stuck = waiting, stuck
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: list[Job] = []  # by turn
        self._round = 0  # of the job that was begun last
        self._running: Job | None = None
        self._since = 0.0  # when the current step began
        self._closed = False
        self._thread: threading.Thread | None = None
        # A daemon thread inside torch at exit aborts the process; so it is stopped and joined before.
        atexit.register(self.close)

    def submit(self, task: Task, *, urgent: bool = True, visitor: str = "") -> Job:
        """Queue a task.

        Args:
            urgent: a visitor waits for it. Other jobs yield whenever an urgent one is queued.
            visitor: whose turn it takes.

        Raises:
            QueueFull: too many of this visitor are waiting.
        """
        with self._work:
            if self._closed:
                raise PlainError("The app is shutting down and cannot start new jobs.")
            self._give_up_if_stuck()
            mine = [job for job in self._all() if (job.visitor, job.urgent) == (visitor, urgent)]
            if len(mine) > self._waiting:
                raise QueueFull(
                    f"No new job was started: {len(mine)} of your jobs are still waiting or running. Try again in a "
                    "minute."
                )
            job = Job(
                task,
                self,
                urgent=urgent,
                visitor=visitor,
                round_=max([self._round, *(job.turn[1] + 1 for job in mine)]),
            )
            insort(self._queue, job, key=attrgetter("turn"))
            if self._thread is None:
                self._start()
            self._work.notify()
        return job

    def close(self, timeout: float = 30.0) -> None:
        """Cancel everything and wait until the worker has stopped."""
        with self._work:
            self._closed = True
            for job in self._all():
                job._stop.set()
            self._work.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        atexit.unregister(self.close)

    # All below: the lock is held, but in _loop, _advance, _step and _end ------------------------------------------

    def _all(self) -> list[Job]:
        return [*self._queue, *([self._running] if self._running else [])]

    def _ahead(self, job: Job) -> int:
        if job not in self._queue:
            return 0
        # A running job of the background steps aside for an urgent one after its step, so it is not before that.
        waits = self._running is not None and (self._running.urgent or not job.urgent)
        return self._queue.index(job) + waits

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self._thread.start()

    def _drop_if_not_begun(self, job: Job) -> None:
        with self._work:
            if job in self._queue and job._steps is None:
                self._queue.remove(job)
                job._end(State.CANCELLED)

    def _give_up_if_stuck(self) -> None:
        job = self._running
        if job is not None and time.monotonic() - self._since > self._stuck:
            job._stop.set()
            job._end(State.FAILED, error=f"One step took more than {self._stuck:.0f} seconds, so the job was stopped.")
            self._running = None
            self._start()  # the thread that is stuck ends by itself when it comes back

    def _mine(self, job: Job) -> bool:
        """Whether this thread still has the job, or it was given up meanwhile."""
        return self._running is job and self._thread is threading.current_thread()

    def _loop(self) -> None:
        while True:
            with self._work:
                if self._thread is not threading.current_thread():
                    return
                while not self._queue and not self._closed:
                    self._work.wait()
                if not self._queue:
                    return
                job = self._queue.pop(0)
                self._round = max(self._round, job.turn[1])
                job._state, self._running, self._since = State.RUNNING, job, time.monotonic()
            self._advance(job)

    def _advance(self, job: Job) -> None:
        """Run a job until it ends, or until it has to step aside."""
        began = time.monotonic()
        while not job._stop.is_set():
            finished, progress, error = self._step(job)
            with self._work:
                if not self._mine(job):
                    return
                self._since = time.monotonic()
                if finished or error:
                    break
                job._progress = progress
                if not job.urgent and self._steps_aside(job, self._since - began):
                    job._state, self._running = State.QUEUED, None
                    insort(self._queue, job, key=attrgetter("turn"))
                    return
        else:
            finished, error, job.stopped = False, "", True
        self._finish(job, finished=finished, error=error)

    def _steps_aside(self, job: Job, seconds: float) -> bool:
        """Whether background work that has run for so long lets another job run: an urgent one, or, behind which it
        queues then, one of another visitor.
        """
        others = [other for other in self._queue if other.visitor != job.visitor]
        if seconds > TURN_SECONDS and others:
            job.turn = (True, max(other.turn[1] for other in others) + 1, job.number)
            return True
        return any(other.urgent for other in self._queue)

    def _step(self, job: Job) -> tuple[bool, Any, str]:
        """One step: whether it was the last, the progress, and what went wrong."""
        assert job._task is not None
        try:
            if job._steps is None:
                job._steps = job._task.run()
            return False, next(job._steps), ""
        except StopIteration:
            return True, None, ""
        except Exception as error:
            return False, None, _sentence(error)

    def _finish(self, job: Job, *, finished: bool, error: str) -> None:
        task, steps, result = job._task, job._steps, None
        try:
            if steps is not None and hasattr(steps, "close"):
                steps.close()
            if not error and not self._closed and task is not None:
                result = task.result()
        except Exception as problem:
            error = _sentence(problem)
        with self._work:
            if self._mine(job):
                self._running = None
                job._end(State.FAILED if error else State.DONE if finished else State.CANCELLED, result, error)


def _sentence(error: Exception) -> str:
    sentence = sentence_of(error)
    if sentence is None:
        _log.error("A job failed", exc_info=error)
        return f"Internal error ({type(error).__name__}); details are in the terminal."
    return sentence
