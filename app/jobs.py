"""Long work in the background: one worker thread, turns by visitor, real cancelling. Knows no Streamlit and no torch.

Work is a generator of small steps. Between two steps the worker checks whether it was asked to stop, so a job is
"cancelled" only when the work has really stopped; and whether another job comes first. Each job does its first five
seconds of work before the rest of longer ones, so nobody waits for a training to have what takes a moment. Background
work yields to all others at once and continues after them; visitors' background work takes turns of half a second.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import threading
import time
from bisect import insort
from collections.abc import Generator, Hashable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from operator import attrgetter
from typing import Any

from gallop.errors import GallopError, sentence_of

_log = logging.getLogger(__name__)

Work = Generator[Any, None, Any]
"""What it yields after each step is its progress, what it returns its result. At any step it may be closed, or told to
end by ``Stopped``."""

# With the backbone that ships a step takes a second or two, with a large one on a busy processor minutes. One that
# takes so long is given up, so that others need not wait for it.
STUCK_SECONDS = 600.0
# Seconds of background work after which that of another visitor has its turn.
TURN_SECONDS = 0.5
# Seconds of work with which a job is short: so many of each job are done before the rest of those that take longer.
SHORT_SECONDS = 5.0
# What comes first.
_SHORT, _LONG, _BACKGROUND = range(3)


class PlainError(GallopError):
    """A failure whose message is a sentence for the user."""


class Stopped(BaseException):
    """Raised in work at the step at which it is cancelled: its result is None, unless it catches this and wraps up, in
    further steps. Like GeneratorExit no Exception, so that no work takes it for a failure of its own.
    """


class State(Enum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Counted:
    """The progress of work, as a fraction and as a sentence."""

    fraction: float
    sentence: str


# What is shown of work before its first step.
NOT_BEGUN = Counted(0.0, "Starting")


def counted_steps(steps: Iterator[Any], key: Hashable) -> Generator[Counted, None, tuple[Hashable, Any]]:
    """Take steps of the library, which tell how far they are; return the key, and the last of them, the result."""
    for event in steps:
        if hasattr(event, "stage"):
            yield Counted(event.done / event.total, f"{event.stage.capitalize()}: {event.done} of {event.total}")
    return key, event


@dataclass(frozen=True)
class Snapshot:
    """The state of a job at one moment. ``ahead`` counts the jobs before it, which take ``wait`` seconds, None where
    that is not known; ``error`` is a sentence.
    """

    state: State
    ahead: int = 0
    progress: Any = None
    result: Any = None
    error: str = ""
    wait: float | None = None

    @property
    def active(self) -> bool:
        return self.state in (State.QUEUED, State.RUNNING)


class Job:
    """Work in the queue, with methods to inspect and cancel it.

    Attributes:
        number: unique in the process.
        visitor: whose it is.
        stopping: whether a stop was asked for; the work may still be in its last step.
        turn: when it is due: short ones first, then those that a visitor waits for. The first job of each visitor is in
            an earlier round than the second job of any visitor.
        worked: seconds of its steps.
    """

    _numbers = itertools.count(1)

    def __init__(self, work: Work, manager: JobManager, *, urgent: bool, visitor: str, round_: int) -> None:
        self.number = next(Job._numbers)
        self.urgent, self.visitor = urgent, visitor
        self.turn, self.worked = (_SHORT if urgent else _BACKGROUND, round_, self.number), 0.0
        self._work, self._manager = work, manager
        self.stopping = self._told = False
        self._now = Snapshot(State.QUEUED)

    def cancel(self) -> None:
        """Ask for a stop after the current step. The result so far remains available."""
        self.stopping = True
        self._manager._stop_waiting(self)

    @property
    def stopped(self) -> bool:
        """Whether its last step is over, after a cancel; what it has made may still be measured."""
        return self._told or (self.stopping and self._now.state is State.QUEUED)

    def snapshot(self) -> Snapshot:
        with self._manager._lock:
            self._manager._give_up_if_stuck()
            before = self._manager._before(self)
            wait = [job.left(short=job.turn[0] == _SHORT) for job in before]
            seconds = None if None in wait else sum(filter(None, wait))
            return replace(self._now, ahead=len(before), wait=seconds)

    def left(self, *, short: bool) -> float | None:
        """Return about how many seconds it still takes, or with ``short`` until its first are over; None where that is
        not known.
        """
        left, done = getattr(self._now.progress, "seconds_left", None), getattr(self._now.progress, "fraction", 0.0)
        if left is None and done > 0:
            left = self.worked * (1 - done) / done
        return min(max(SHORT_SECONDS - self.worked, 0.0), SHORT_SECONDS if left is None else left) if short else left

    def _is(self, state: State, **more: Any) -> None:
        """Note what has become of it. The manager's lock is held."""
        self._now = replace(self._now, state=state, **more)


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
        self._served: set[str] = set()  # the visitors whose short jobs have run since a long one had its turn
        self._running: Job | None = None
        self._since = 0.0  # when the current step began
        self._closed = False
        self._thread: threading.Thread | None = None
        # A daemon thread inside torch at exit aborts the process; so it is stopped and joined before.
        atexit.register(self.close)

    def submit(self, work: Work, *, urgent: bool = True, visitor: str = "") -> Job:
        """Queue work.

        Args:
            urgent: a visitor waits for it. Other jobs yield whenever an urgent one is queued.
            visitor: whose turn it takes.

        Raises:
            PlainError: too many of this visitor are waiting.
        """
        with self._work:
            if self._closed:
                raise PlainError("The app is shutting down and cannot start new jobs.")
            self._give_up_if_stuck()
            mine = [job for job in self._all() if (job.visitor, job.urgent) == (visitor, urgent)]
            if len(mine) > self._waiting:
                raise PlainError(
                    f"No new job was started: {len(mine)} of your jobs are still waiting or running. Try again in a "
                    "minute."
                )
            job = Job(
                work,
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
            self._work.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        atexit.unregister(self.close)

    # All below: the lock is held, but in _stop_waiting, _loop, _advance and _step ---------------------------------

    def _all(self) -> list[Job]:
        return [*self._queue, *([self._running] if self._running else [])]

    def _before(self, job: Job) -> list[Job]:
        """The jobs before one that waits. A running one steps aside after its step for those that come first."""
        return [other for other in self._all() if other.turn < job.turn] if job in self._queue else []

    def _next(self) -> Job:
        """The job whose turn it is: a long one before the second short one in a row of the same visitor."""
        due = (job for job in self._queue if job.turn[0] == _LONG or job.visitor not in self._served)
        return next((job for job in due if job.urgent), self._queue[0])

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self._thread.start()

    def _stop_waiting(self, job: Job) -> None:
        """End a job that has not begun. One that has stepped aside is over too, and wraps up soon."""
        with self._work:
            if job in self._queue:
                self._queue.remove(job)
                if not job.worked:
                    job._is(State.CANCELLED)
                    return
                job.turn, job.urgent, job.worked = (_SHORT, *job.turn[1:]), True, 0.0
                insort(self._queue, job, key=attrgetter("turn"))

    def _give_up_if_stuck(self) -> None:
        job = self._running
        if job is not None and time.monotonic() - self._since > self._stuck:
            job.stopping = True
            job._is(State.FAILED, error=f"One step took more than {self._stuck:.0f} seconds, so the job was stopped.")
            self._running = None
            self._start()  # the thread that is stuck ends by itself when it comes back

    def _loop(self) -> None:
        while True:
            with self._work:
                if self._thread is not threading.current_thread():
                    return
                while not self._queue and not self._closed:
                    self._work.wait()
                if not self._queue:
                    return
                job = self._next()
                self._queue.remove(job)
                self._round = max(self._round, job.turn[1])
                self._served = {*self._served, job.visitor} if job.turn[0] == _SHORT else set()
                self._running, self._since = job, time.monotonic()
                job._is(State.RUNNING)
            self._advance(job)

    def _advance(self, job: Job) -> None:
        """Run a job until it ends, or until it has to step aside."""
        began = time.monotonic()
        while True:
            step_began = time.monotonic()
            finished, made, error = self._step(job)
            with self._work:
                if self._running is not job or self._thread is not threading.current_thread():  # it was given up
                    return
                self._since = time.monotonic()
                job.worked += self._since - step_began
                if finished or error:
                    self._running = None
                    ended = State.CANCELLED if job._told else State.DONE
                    job._is(State.FAILED if error else ended, result=made, error=error)
                    return
                job._is(State.RUNNING, progress=made)
                if self._steps_aside(job, self._since - began):
                    self._running = None
                    job._is(State.QUEUED)
                    insort(self._queue, job, key=attrgetter("turn"))
                    return

    def _steps_aside(self, job: Job, seconds: float) -> bool:
        """Whether a job that has run for so long lets another one run that comes first; background work queues then
        behind that of other visitors.
        """
        if job.turn[0] == _SHORT:
            if job.worked < SHORT_SECONDS:
                return False
            job.turn = (_LONG, *job.turn[1:])
        others = [other for other in self._queue if other.visitor != job.visitor]
        if not job.urgent and seconds > TURN_SECONDS and others:
            job.turn = (_BACKGROUND, max(other.turn[1] for other in others) + 1, job.number)
            return True
        return bool(self._queue) and self._next().turn < job.turn

    def _step(self, job: Job) -> tuple[bool, Any, str]:
        """One step: whether it was the last, the progress or then the result, and what went wrong."""
        try:
            if self._closed:
                job._told = True
                job._work.close()
                return True, None, ""
            if job.stopping and not job._told:
                job._told = True
                return False, job._work.throw(Stopped()), ""
            return False, next(job._work), ""
        except StopIteration as end:
            return True, end.value, ""
        except Stopped:
            return True, None, ""
        except Exception as error:
            return False, None, in_words(error, "Internal error")


def in_words(error: Exception, what: str) -> str:
    """Return an error as a sentence for users; of one that has none they are told ``what`` failed, and the log more."""
    sentence = sentence_of(error)
    if sentence is None:
        _log.error(what, exc_info=error)
        return f"{what} ({type(error).__name__}); details are in the terminal."
    return sentence
