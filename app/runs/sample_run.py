"""The run that comes with the sample project: how its training went, and the model it left. Knows no Streamlit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from app.runs.facts import run_of_row
from app.runs.model_zip import Files, read_files
from app.runs.run import Run
from gallop.runtime.reading import read_text
from gallop.sample import sample_folder

SAMPLE_RUN = "Sample project"
RUN_FILE = "run.json"
_LARGEST = 2**20


@dataclass(frozen=True)
class _Row:
    """What ``written`` made, as a row of the store."""

    facts: str
    id: int = 0
    name: str = SAMPLE_RUN
    made: float = 0.0


@cache
def sample_run() -> Run:
    """Return the run, with no number yet; its photos are those of the sample."""
    found = run_of_row(_Row(read_text(sample_folder() / RUN_FILE, _LARGEST)))
    assert found is not None  # it comes with the package, and a test reads it
    return found


def sample_files() -> Files:
    """Return its checkpoint."""
    return read_files(sample_folder() / "model")


def is_sample_run(run: Run) -> bool:
    """Whether a run is the one that comes with the sample, whatever it is called by now."""
    mine = sample_run()
    return (run.content, run.history, run.answers) == (mine.content, mine.history, mine.answers)
