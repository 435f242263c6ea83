"""Work that a page asks for beside the trainings of Teach: one errand at a time a visitor. Knows no Streamlit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.jobs.manager import Job, JobManager, PlainError, Snapshot, State, Task

if TYPE_CHECKING:
    from app.visitor.session import Session


@dataclass(frozen=True)
class Errand:
    """``name`` is what its result is found under; ``words`` tell what is being done."""

    name: str
    words: str
    job: Job


def start_page_job(session: Session, manager: JobManager, task: Task, name: str, words: str) -> None:
    """Queue an errand; what the last one of this name left is forgotten.

    Raises:
        PlainError: another one is under way, or too many jobs are waiting.
    """
    if session.errand is not None:
        raise PlainError(f"{session.errand.words} is not done yet. Wait for it, or cancel it.")
    session.errand = Errand(name, words, manager.submit(task))
    session.errands_done.pop(name, None)


def settle_page_job(session: Session) -> None:
    """Take over what an errand has left once it is over."""
    errand = session.errand
    if errand is None:
        return
    snapshot = errand.job.snapshot()
    if not snapshot.active:
        session.errand, session.errands_done[errand.name] = None, snapshot


def ended(snapshot: Snapshot) -> str:
    """Why an errand left nothing, as a sentence; empty where it ended well."""
    if snapshot.state is State.FAILED:
        return snapshot.error
    return "Cancelled." if snapshot.state is State.CANCELLED else ""
