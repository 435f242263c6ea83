"""Work that a page asks for beside the trainings of Teach: one such job at a time a visitor. Knows no Streamlit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.jobs.manager import Job, JobManager, PlainError, Snapshot, State, Task


@dataclass(frozen=True)
class PageJob:
    """``name`` is what its result is found under; ``words`` tell what is being done."""

    name: str
    words: str
    job: Job


@dataclass
class PageJobs:
    """Those of one visitor: the one that is under way, and what the last one of each name left."""

    visitor: str = ""
    """Whose turn its jobs take."""
    running: PageJob | None = None
    _ended: dict[str, Snapshot] = field(default_factory=dict)

    def start(self, manager: JobManager, task: Task, name: str, words: str) -> None:
        """Queue one; what the last one of this name left is forgotten.

        Raises:
            PlainError: another one is under way, or too many jobs are waiting.
        """
        if self.running is not None:
            raise PlainError(f"{self.running.words} is not done yet. Wait for it, or cancel it.")
        self.running = PageJob(name, words, manager.submit(task, visitor=self.visitor))
        self._ended.pop(name, None)

    def settle(self) -> None:
        """Take over what the one under way has left, once it is over."""
        if self.running is None:
            return
        snapshot = self.running.job.snapshot()
        if not snapshot.active:
            self._ended[self.running.name], self.running = snapshot, None

    def result(self, name: str) -> Any:
        """Return what the last one of this name made; None where there is nothing."""
        snapshot = self._ended.get(name)
        return None if snapshot is None else snapshot.result

    def take(self, name: str) -> Any:
        """Return what the last one of this name made, once; what it left is forgotten."""
        snapshot = self._ended.pop(name, None)
        return None if snapshot is None else snapshot.result

    def problem(self, name: str) -> str:
        """Return why the last one of this name left nothing, as a sentence; empty where it ended well."""
        snapshot = self._ended.get(name)
        if snapshot is not None and snapshot.state is State.FAILED:
            return snapshot.error
        return "Cancelled." if snapshot is not None and snapshot.state is State.CANCELLED else ""

    def let_go(self) -> None:
        """Forget what all that are over have left."""
        self._ended.clear()

    def cancel(self) -> None:
        """Ask the one under way, if there is one, to stop."""
        if self.running is not None:
            self.running.job.cancel()
