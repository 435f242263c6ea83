"""One visitor's runs: what they have trained, kept and found again. Knows no Streamlit and no torch."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from app.runs.data_file import MACHINE, RunsProblem
from app.runs.model_zip import Files, files_of
from app.runs.run import Run, of_taught
from app.runs.store import RunStore
from app.teaching.progress import Taught
from gallop.errors import GallopError, sentence_of

_log = logging.getLogger(__name__)


@dataclass
class Ledger:
    """The runs of one owner.

    Attributes:
        problem: why the last training is not among them, as a sentence; empty when it is.
    """

    store: RunStore
    owner: str
    problem: str = ""

    @property
    def of_this_machine(self) -> bool:
        """Whether all who open the app share these runs."""
        return self.owner == MACHINE

    def keep(self, taught: Taught, name: str = "") -> None:
        """Keep a training as a run. It never fails: a training that cannot be kept is still learned."""
        self.problem = ""
        try:
            self.store.add(self.owner, of_taught(taught, name, time.time()), files_of(taught.after))
        except (GallopError, OSError) as error:
            self.problem = sentence_of(error) or ""

    def bring(self, run: Run, files: Files) -> None:
        """Keep a run that was trained elsewhere, as one of now. It never fails, as ``keep``."""
        self.problem = ""
        try:
            self.store.add(self.owner, replace(run, made=time.time()), files)
        except (GallopError, OSError) as error:
            self.problem = sentence_of(error) or ""

    def runs(self) -> list[Run]:
        """All of them, the latest first."""
        return self.store.runs(self.owner)

    def files(self, run_id: int) -> Files:
        return self.store.files(self.owner, run_id)

    def rename(self, run_id: int, name: str) -> None:
        self.store.rename(self.owner, run_id, name)

    def delete(self, run_id: int) -> None:
        self.store.delete(self.owner, run_id)

    def undelete(self, run_id: int) -> None:
        self.store.undelete(self.owner, run_id)

    def close(self) -> None:
        """Its visitor has gone: runs that nobody can reach any more are not kept. It never fails."""
        if self.of_this_machine:
            return
        try:
            self.store.forget(self.owner)
        except RunsProblem as error:  # ``run_store.ORPHANED`` after, they go all the same
            _log.warning("The runs of a visitor who has gone are still there: %s", error)
