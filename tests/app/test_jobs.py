from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from app.jobs import Counted, Job, JobManager, PlainError, Snapshot, State, Stopped, Work
from tests.conftest import ROOT
from tests.tiny import there
from tests.until import until


class Counting:
    """Counts to ``steps``, or until it is stopped; each step waits for ``go`` where there is one."""

    def __init__(self, steps: int, go: threading.Event | None = None) -> None:
        self.steps, self.go, self.done, self.closed = steps, go, 0, False

    def run(self) -> Generator[int, None, Any]:
        try:
            for _ in range(self.steps):
                if self.go is not None:
                    self.go.wait(60)
                self.done += 1
                yield self.done
        except Stopped:
            pass
        finally:
            self.closed = True
        return self.made()

    def made(self) -> Any:
        return self.done


def counting(steps: int, go: threading.Event | None = None) -> Work:
    return Counting(steps, go).run()


def failing(error: Exception) -> Work:
    """It fails in its second step."""
    yield 1
    raise error


def wait(job: Job, holds: Callable[[Snapshot], bool] = lambda snapshot: not snapshot.active) -> Snapshot:
    """The first of its snapshots of which this holds."""

    def reached() -> Snapshot | None:
        snapshot = job.snapshot()
        return snapshot if holds(snapshot) else None

    return there(until(reached))


def test_cancelling_stops_between_steps_and_keeps_what_was_done(manager: JobManager) -> None:
    task = Counting(1_000_000)
    job = manager.submit(task.run())
    wait(job, lambda snapshot: (snapshot.progress or 0) >= 3)
    job.cancel()
    snapshot = wait(job)
    assert snapshot.state is State.CANCELLED
    assert 3 <= snapshot.result == task.done < 1_000_000
    time.sleep(0.05)
    assert (task.done, task.closed) == (snapshot.result, True), "it went on after it said that it had stopped"


def test_cancelled_is_said_only_when_the_step_in_hand_is_over(manager: JobManager) -> None:
    go = threading.Event()
    job = manager.submit(counting(3, go))
    wait(job, lambda snapshot: snapshot.state is State.RUNNING)
    job.cancel()
    assert (job.stopping, job.snapshot().state) == (True, State.RUNNING)
    go.set()
    assert wait(job).state is State.CANCELLED


def test_that_it_has_stopped_is_known_before_what_it_made_is_measured(manager: JobManager) -> None:
    task, measured = Counting(1_000_000), threading.Event()
    task.made = lambda: measured.wait(60)  # type: ignore[method-assign]
    job = manager.submit(task.run())
    wait(job, lambda snapshot: (snapshot.progress or 0) >= 3)
    assert not job.stopped
    job.cancel()
    assert until(lambda: job.stopped)
    assert job.snapshot().state is State.RUNNING
    measured.set()
    assert wait(job).state is State.CANCELLED


def test_the_second_job_waits_and_is_told_how_many_are_before_it(manager: JobManager) -> None:
    go = threading.Event()
    first, second, third = manager.submit(counting(1, go)), manager.submit(counting(1)), manager.submit(counting(1))
    wait(first, lambda snapshot: snapshot.state is State.RUNNING)
    assert [job.snapshot().ahead for job in (first, second, third)] == [0, 1, 2]
    with pytest.raises(PlainError, match="3 of your jobs"):
        manager.submit(counting(1))
    second.cancel()
    assert (second.snapshot().state, third.snapshot().ahead) == (State.CANCELLED, 1)
    go.set()
    assert (wait(third).state, third.snapshot().result) == (State.DONE, 1)


def test_visitors_take_turns_and_one_with_many_jobs_is_refused_alone(manager: JobManager) -> None:
    go, order = threading.Event(), list[str]()

    def named(name: str) -> Generator[int, None, None]:
        order.append(name)
        yield int(go.wait(60))

    many = [manager.submit(named(f"many {n}"), visitor="many") for n in range(3)]
    with pytest.raises(PlainError, match="3 of your jobs are still waiting"):
        manager.submit(named("many 3"), visitor="many")
    others = [manager.submit(named(name), visitor=name) for name in ("one", "two", "three", "four")]
    assert [job.snapshot().ahead for job in (*many, *others)] == [0, 5, 6, 1, 2, 3, 4]
    go.set()
    for job in (*many, *others):
        wait(job)
    assert order == ["many 0", "one", "two", "three", "four", "many 1", "many 2"]
    assert wait(manager.submit(named("many 3"), visitor="many")).state is State.DONE


def test_a_failure_is_told_in_words_and_does_not_stop_the_next_job(manager: JobManager) -> None:
    plain, inner = manager.submit(failing(PlainError("Too dark."))), manager.submit(failing(ValueError("secret")))
    full = type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried")  # torch's name
    assert "The GPU does not have enough memory" in wait(manager.submit(failing(full))).error
    assert (wait(plain).state, wait(plain).error) == (State.FAILED, "Too dark.")
    assert [word for word in ("ValueError", "secret") if word in wait(inner).error] == ["ValueError"]
    assert wait(manager.submit(counting(2))).result == 2


def test_work_in_the_background_steps_aside_for_a_training_and_goes_on_after_it(manager: JobManager) -> None:
    go, order = threading.Event(), []

    def noting(name: str, steps: int) -> Generator[int, None, int]:
        for done in range(steps):
            go.wait(60)
            order.append(name)
            yield done
        return steps

    waiting = manager.submit(noting("waiting", 4), urgent=False)
    wait(waiting, lambda snapshot: snapshot.state is State.RUNNING)
    training = manager.submit(noting("training", 3))
    assert training.snapshot().ahead == 0, "what steps aside is not before it"
    go.set()
    assert (wait(training).result, wait(waiting).result) == (3, 4), "it went on where it was"
    assert order == ["waiting", *["training"] * 3, *["waiting"] * 3]


def in_steps(order: list[str], name: str, steps: int, seconds: float = 0.02) -> Work:
    """It notes its name at each step, which takes so long."""
    for done in range(steps):
        order.append(name)
        time.sleep(seconds)
        yield Counted((done + 1) / steps, name)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are short up to a tenth of a second."""
    monkeypatch.setattr("app.jobs.SHORT_SECONDS", 0.1)


def is_long(snapshot: Snapshot) -> bool:
    """Whether work of ``in_steps`` has had its first tenth of a second, with some to spare."""
    return snapshot.progress is not None and snapshot.progress.fraction >= 0.2


@pytest.mark.usefixtures("brief")
def test_a_short_job_runs_between_two_steps_of_a_long_one_of_any_visitor(manager: JobManager) -> None:
    order: list[str] = []
    long = manager.submit(in_steps(order, "long", 50), visitor="a")
    wait(long, is_long)
    short = [manager.submit(in_steps(order, name, 2), visitor=name) for name in ("b", "a")]
    assert [wait(job).state for job in (*short, long)] == [State.DONE] * 3
    assert [name for name in order if name != "long"] == ["b", "b", "a", "a"]
    assert order.index("a") < len(order) - 20, "the long one went on after them"


@pytest.mark.usefixtures("brief")
def test_a_second_long_job_has_its_first_seconds_and_then_waits_for_the_first(manager: JobManager) -> None:
    order: list[str] = []
    first = manager.submit(in_steps(order, "first", 40), visitor="a")
    wait(first, is_long)
    second = manager.submit(in_steps(order, "second", 40), visitor="b")
    wait(second)
    begun = order.index("second")
    assert 2 <= order[begun : order.index("first", begun)].count("second") <= 8
    assert "first" not in order[order.index("second", order.index("first", begun)) :], "then one after the other"


@pytest.mark.usefixtures("brief")
def test_short_jobs_of_one_visitor_do_not_run_in_a_row_while_others_wait(manager: JobManager) -> None:
    order: list[str] = []
    long = manager.submit(in_steps(order, "long", 30), visitor="a")
    wait(long, is_long)
    go = threading.Event()
    held = manager.submit(counting(1, go), visitor="held")
    wait(held, lambda snapshot: snapshot.state is State.RUNNING)
    short = [manager.submit(in_steps(order, name, 1), visitor=name[0]) for name in ("b1", "b2", "c1")]
    go.set()
    for job in (*short, long):
        wait(job)
    assert [name for name in order if name != "long"] == ["b1", "c1", "b2"]
    assert "long" in order[order.index("c1") : order.index("b2")], "a step of the long one before the second of b"


@pytest.mark.usefixtures("brief")
def test_a_job_that_waits_is_told_how_long_those_before_it_take(manager: JobManager) -> None:
    first = manager.submit(in_steps([], "first", 100), visitor="a")
    wait(first, is_long)
    second = manager.submit(in_steps([], "second", 100), visitor="b")
    waits = wait(second, lambda snapshot: snapshot.progress is not None and snapshot.state is State.QUEUED)
    assert (waits.ahead, waits.wait) == (1, pytest.approx(1.5, abs=0.7))
    first.cancel()
    second.cancel()
    assert (wait(first).wait, wait(second).wait) == (0, 0)


def test_a_job_that_tells_nothing_of_how_far_it_is_counts_as_a_short_one(manager: JobManager) -> None:
    go = threading.Event()
    first, second = (manager.submit(counting(1, go), visitor=name) for name in ("a", "b"))
    later = manager.submit(counting(1), urgent=False, visitor="b")
    assert until(lambda: later.snapshot().ahead == 2)
    assert second.snapshot().wait == pytest.approx(5, abs=0.1)
    go.set()
    for job in (first, second, later):
        wait(job)


@pytest.mark.usefixtures("brief")
def test_a_job_that_has_stepped_aside_is_cancelled_at_once(manager: JobManager) -> None:
    first = manager.submit(in_steps([], "first", 10**6), visitor="a")
    until(lambda: first.worked > 0.2)
    second = manager.submit(in_steps([], "second", 10**6), visitor="b")
    wait(second, lambda snapshot: snapshot.progress is not None and snapshot.state is State.QUEUED)
    second.cancel()
    assert second.stopped
    assert (wait(second).state, first.snapshot().active) == (State.CANCELLED, True)
    first.cancel()
    wait(first)


def test_work_that_is_stopped_may_take_further_steps_and_others_run_between_them(manager: JobManager) -> None:
    order: list[str] = []

    def run() -> Generator[int, None, str]:
        try:
            while True:
                yield 1
        except Stopped:
            for _ in range(50):
                order.append("wrap up")
                time.sleep(0.02)
                yield 2
        return "made"

    job = manager.submit(run(), visitor="a")
    wait(job, lambda snapshot: snapshot.progress == 1)
    job.worked = 6.0  # as after six seconds
    job.cancel()
    wait(job, lambda snapshot: snapshot.progress == 2)
    wait(manager.submit(in_steps(order, "other", 1), visitor="b"))
    assert (wait(job).state, wait(job).result, order[-1]) == (State.CANCELLED, "made", "wrap up")


def test_background_work_of_two_visitors_takes_turns(manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is served though the first would never end."""
    monkeypatch.setattr("app.jobs.TURN_SECONDS", 0.02)
    first, second = (manager.submit(counting(10**9), urgent=False, visitor=name) for name in ("a", "b"))
    for _ in range(3):
        counted = [job.snapshot().progress or 0 for job in (first, second)]
        for job, before in zip((first, second), counted, strict=True):
            wait(job, lambda snapshot, before=before: (snapshot.progress or 0) > before)  # type: ignore[misc]
    first.cancel()
    second.cancel()


def test_a_step_that_never_ends_does_not_hold_up_the_next_job() -> None:
    manager, forever = JobManager(stuck=1), threading.Event()
    stuck, after = manager.submit(counting(1, forever)), manager.submit(counting(2))
    assert wait(after).result == 2
    snapshot = stuck.snapshot()
    assert (snapshot.state, "was stopped" in snapshot.error) == (State.FAILED, True)
    forever.set()
    assert wait(manager.submit(counting(3))).result == 3
    assert stuck.snapshot() == snapshot, "what comes back late changes nothing"
    manager.close()


def test_a_closed_manager_takes_nothing_more(manager: JobManager) -> None:
    job = manager.submit(counting(1_000_000))
    manager.close()
    assert job.snapshot().state is State.CANCELLED
    with pytest.raises(PlainError, match="shutting down"):
        manager.submit(counting(1))


def test_leaving_python_cancels_and_joins_the_worker() -> None:
    code = """
import time
from app.jobs import JobManager

def long():
    try:
        while True:
            time.sleep(0.01)
            yield 1
    finally:
        print("closed", flush=True)

JobManager().submit(long())
time.sleep(0.2)
print("leaving", flush=True)
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert (run.returncode, run.stdout.split()) == (0, ["leaving", "closed"]), run.stderr
