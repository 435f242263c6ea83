"""The runs of a benchmark, the places that their figures have, and parts of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gallop.bench.definition.benchmark import Spec, label_of
from gallop.data import LabelledPhotos, PhotoSet
from gallop.errors import BenchError
from gallop.features.encoding import Sight
from gallop.methods import Method, method_sight
from gallop.wording import listed

UNTAUGHT = 0
"""The shots, and the seed, of a run that learns nothing."""


BenchTower = tuple[str, str, Sight]
"""A backbone, its regions, and what a method asks for of photos: runs of the same share features."""


@dataclass(frozen=True)
class BenchRun:
    """One training and its test.

    Attributes:
        key: of everything that its figures depend on; equal keys, equal figures.
        made: the method, ready to learn.
        settings: as they stand in its key, in JSON's types; later ones only where they are not at their default.
        source: what the shots are drawn from.
        transfer: other sets whose test photos it is asked about.
        unknown: groups of unknown photos.
        data: fingerprints of the photos.
        backbone, regions: what it learns and answers with, as ``load_backbone`` takes them.
    """

    key: str
    method: str
    made: Method
    settings: Mapping[str, Any]
    set: str
    shots: int
    seed: int
    source: PhotoSet
    transfer: tuple[str, ...]
    unknown: tuple[str, ...]
    data: Mapping[str, Any]
    backbone: str = "mini"
    regions: str = "value"

    @property
    def tower(self) -> BenchTower:
        """What it learns and answers with."""
        return self.backbone, self.regions, method_sight(self.made)

    @property
    def train(self) -> LabelledPhotos:
        """The shots, drawn now; empty for a method that learns nothing."""
        return self.source.draw(self.shots, self.seed)

    @property
    def photos(self) -> int:
        """How many they are, without drawing them."""
        return self.shots * len(self.source.class_names)

    @property
    def asked(self) -> dict[str, Any]:
        """What a record keeps of it, by the record's fields: all that is known before it has run."""
        return {
            "key": self.key,
            "method": self.method,
            "settings": dict(self.settings),
            "set": self.set,
            "shots": self.shots,
            "seed": self.seed,
            "photos": self.photos,
            "data": dict(self.data),
        }


@dataclass(frozen=True)
class TableEntry:
    """Where figures of a run stand: a line of the main tables, or of an ablation's. Two entries may share a run."""

    heading: str
    group: str
    set: str
    shots: int
    seed: int
    key: str

    @property
    def label(self) -> str:
        """What claims call it: "heading" or "group / variant"."""
        return label_of(self.heading, self.group)


@dataclass(frozen=True)
class Plan:
    """Every run of a benchmark, and every place that its figures have."""

    spec: Spec
    sets: tuple[str, ...]
    unknown: tuple[str, ...]
    runs: tuple[BenchRun, ...]
    entries: tuple[TableEntry, ...]

    def narrowed(
        self,
        *,
        only: Collection[str] | None = None,
        sets: Collection[str] | None = None,
        shots: Collection[int] | None = None,
        seeds: Collection[int] | None = None,
        part: tuple[int, int] = (1, 1),
    ) -> list[BenchRun]:
        """Return the runs of some methods (headings, groups or "group / variant"), sets, shots and seeds.

        Runs that learn nothing belong to all shots and seeds. Of a ``part`` (i, n), every n-th run of each method is
        taken, from the i-th on: the n parts are disjoint, together everything, and cost about the same.

        Raises:
            BenchError: something that the benchmark does not have.
        """
        _must_have("method, group or variant", only, {x for e in self.entries for x in (e.label, e.group) if x})
        _must_have("set", sets, set(self.sets))
        _must_have("number of shots", shots, {e.shots for e in self.entries} - {UNTAUGHT})
        _must_have("seed", seeds, set(self.spec.seeds))
        wanted = {e.key for e in self.entries if only is None or e.label in only or e.group in only}
        chosen = [
            run
            for run in self.runs
            if run.key in wanted
            and (sets is None or run.set in sets)
            and (shots is None or run.shots in (UNTAUGHT, *shots))
            and (seeds is None or run.shots == UNTAUGHT or run.seed in seeds)
        ]
        return list(_dealt(chosen, *part))


def _must_have(what: str, asked: Collection[Any] | None, there: Collection[Any]) -> None:
    for item in asked or ():
        if item not in there:
            known = listed([str(each) for each in sorted(there)], 20)
            raise BenchError(f"The benchmark has no {what} {item!r}; it has {known}.")


def _dealt(runs: list[BenchRun], part: int, parts: int) -> Iterator[BenchRun]:
    seen: Counter[str] = Counter()
    order = {method: i for i, method in enumerate(dict.fromkeys(run.method for run in runs))}
    for run in runs:
        # Methods begin at different parts, so that those with a single run do not all go to the first.
        if (seen[run.method] + order[run.method]) % parts == part - 1:
            yield run
        seen[run.method] += 1
