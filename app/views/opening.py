"""A model that was taught before, opened on its own tower: at once where that is loaded, else as a job that waits.

Knows no Streamlit, and loads torch only when a model is opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from app.runs.model_zip import Files
from app.teaching.progress import Taught
from app.teaching.settings import Settings
from app.towers.listing import PAPERS_KIND, called
from app.towers.room import TowerRoom
from app.views.export import Counted


@dataclass(frozen=True)
class Opened:
    """What came of it.

    Attributes:
        name: of the run, the file or the sample.
        source: where it came from; one from a file is no run yet.
        settings, limit: of a project's, as they stand with it: of the next training, and for "none of these".
        tuned: of a project's, the k that were chosen on test photos, and those photos by content hash.
    """

    taught: Taught
    name: str
    source: Literal["run", "file", "sample", "project"]
    settings: Settings | None = None
    limit: float | None = None
    tuned: tuple[tuple[int, ...], frozenset[str]] | None = None


@dataclass
class Opening:
    """One model, on a tower that is there."""

    make: Callable[[], Opened]
    made: Opened | None = None

    def run(self) -> Iterator[Counted]:
        yield Counted(0.5, "Reading it")
        self.made = self.make()

    def result(self) -> Opened | None:
        return self.made


def tower_of_files(room: TowerRoom, files: Files, usual: str) -> str:
    """Return what the tower of a model in files is called here; ``usual`` where none that is known is its own.

    Then the library tells what does not fit. What the files say opens nothing: it is looked up in the list.
    """
    try:
        said = json.loads(files.settings)
        name, fingerprint = said["backbone"], said["fingerprint"]
        kind = said.get("regions", PAPERS_KIND)
    except (ValueError, KeyError, TypeError, RecursionError):
        return usual
    if not all(isinstance(word, str) for word in (name, fingerprint, kind)):
        return usual
    known = room.named_by(fingerprint) or called(name, kind)
    return known if room.listing.seek(known) is not None else usual
