"""From a specification and photos to runs, in an order that is useful when it is cut off.

Seeds come outermost: after the first one every table is there, later ones give the spread. Within a seed the most
shots come first, where the main table, the ablations and the claims stand, then fewer. Within these, one set after
the other, so that its features stay in memory, with methods and then variants in the order of the file. A method that
learns nothing runs once a set, before everything else.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gallop import __version__, methods
from gallop.bench.photos import Photos, PhotoSet, fingerprint
from gallop.bench.reading import BenchError
from gallop.bench.spec import Recipe, Spec, label_of
from gallop.data import Dataset, draw_shots
from gallop.methods import Method
from gallop.methods.prompt_learning import PromptLearner

UNTAUGHT = 0
"""The shots, and the seed, of a run that learns nothing."""


@dataclass(frozen=True)
class Run:
    """One training and its test.

    Attributes:
        key: of everything that its figures depend on; equal keys, equal figures.
        made: the method, ready to learn.
        settings: all of them, defaults filled in, as they stand in JSON.
        train: the shots; empty for a method that learns nothing.
        transfer: other sets whose test photos it is asked about.
        unknown: groups of unknown photos.
        data: fingerprints of the photos.
    """

    key: str
    method: str
    made: Method
    settings: Mapping[str, Any]
    set: str
    shots: int
    seed: int
    train: Dataset
    transfer: tuple[str, ...]
    unknown: tuple[str, ...]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
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
    backbone: str
    runs: tuple[Run, ...]
    entries: tuple[Entry, ...]

    def narrowed(
        self,
        *,
        only: Collection[str] | None = None,
        sets: Collection[str] | None = None,
        shots: Collection[int] | None = None,
        seeds: Collection[int] | None = None,
        part: tuple[int, int] = (1, 1),
    ) -> list[Run]:
        """The runs of some methods (headings, groups or "group / variant"), sets, shots and seeds.

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
            raise BenchError(f"The benchmark has no {what} {item!r}; it has {', '.join(map(str, sorted(there)))}.")


def _dealt(runs: list[Run], part: int, parts: int) -> Iterator[Run]:
    seen: Counter[str] = Counter()
    order = {method: i for i, method in enumerate(dict.fromkeys(run.method for run in runs))}
    for run in runs:
        # Methods begin at different parts, so that those with a single run do not all go to the first.
        if (seen[run.method] + order[run.method]) % parts == part - 1:
            yield run
        seen[run.method] += 1


def make_plan(spec: Spec, photos: Photos, backbone: str, asked: Collection[int] | None = None) -> Plan:
    """All runs of a benchmark on some photos.

    Args:
        backbone: its fingerprint.
        asked: shots that are asked for; others are left out where a set has too few photos. None asks for all.

    Raises:
        BenchError: a method that cannot be made, or a class with fewer photos than shots.
    """
    maker = _Maker(spec, photos, backbone, asked)
    runs: dict[str, Run] = {}
    entries: list[Entry] = []
    for entry, run in sorted(maker.all(), key=lambda pair: _order(pair[0], spec, list(photos.sets))):
        runs.setdefault(run.key, run)
        entries.append(entry)
    return Plan(spec, tuple(photos.sets), tuple(photos.unknown), backbone, tuple(runs.values()), tuple(entries))


def _order(entry: Entry, spec: Spec, sets: list[str]) -> tuple[Any, ...]:
    if entry.shots == UNTAUGHT:
        return 0, 0, 0, sets.index(entry.set)
    # `sorted` is stable: methods, then variants, as in the file.
    return 1, spec.seeds.index(entry.seed), -entry.shots, sets.index(entry.set)


@dataclass(frozen=True)
class _Maker:
    spec: Spec
    photos: Photos
    backbone: str
    asked: Collection[int] | None

    def all(self) -> Iterator[tuple[Entry, Run]]:
        for heading, recipe in self.spec.methods.items():
            yield from self._line(heading, "", recipe, self.spec.shots, None)
        for group, ablation in self.spec.ablations.items():
            for heading, recipe in ablation.variants.items():
                yield from self._line(heading, group, recipe, ablation.shots, ablation.sets)

    def _line(
        self, heading: str, group: str, recipe: Recipe, shots: tuple[int, ...], sets: tuple[str, ...] | None
    ) -> Iterator[tuple[Entry, Run]]:
        try:
            made = methods.make_method(recipe.method, recipe.settings)
        except (TypeError, ValueError) as error:  # ConfigError, or a value of another kind
            raise BenchError(f"{label_of(heading, group)}: {error}") from error
        learns = made.learns
        places = [(n, seed) for n in shots for seed in self.spec.seeds] if learns else [(UNTAUGHT, UNTAUGHT)]
        for photo_set in self.photos.sets.values():
            if sets is not None and photo_set.name not in sets:
                continue
            for n, seed in places:
                if self._enough(photo_set, n):
                    run = self._run(recipe.method, made, photo_set, n, seed)
                    yield Entry(heading, group, photo_set.name, n, seed, run.key), run

    def _enough(self, photo_set: PhotoSet, shots: int) -> bool:
        fewest, name = photo_set.fewest
        if shots <= fewest:
            return True
        if self.asked is not None and shots not in self.asked:
            return False
        raise BenchError(
            f"The set {photo_set.name} has {fewest} training photos of {name!r}, but {shots} shots are asked for; add "
            "photos, or leave these shots out with --shots or this set with --sets."
        )

    def _run(self, method: str, made: Method, photo_set: PhotoSet, shots: int, seed: int) -> Run:
        train = draw_shots(photo_set.train, shots, seed=seed) if shots else photo_set.train.take([])
        unknown, spec = self.photos.unknown, self.spec
        skipped = spec.unknown.skip.get(photo_set.name, ()) if spec.unknown else ()
        groups = tuple(name for name in unknown if name not in skipped)
        targets = tuple(name for name in spec.transfer.get(photo_set.name, ()) if name in self.photos.sets)
        data = {
            "classes": list(photo_set.train.class_names),
            "train": fingerprint(train),
            "test": photo_set.fingerprint,
            "transfer": {name: self.photos.sets[name].fingerprint for name in targets},
            "unknown": {name: unknown[name].fingerprint for name in groups},
        }
        settings = canonical(made)
        what = {"gallop": __version__, "backbone": self.backbone, "method": method, "settings": settings}
        place = {"set": photo_set.name, "shots": shots, "seed": seed, "data": data}
        return Run(
            run_key(what | place), method, made, settings, photo_set.name, shots, seed, train, targets, groups, data
        )


def canonical(made: Method) -> dict[str, Any]:
    """All settings of a method in JSON's own types, so that equal methods have equal ones however they were written.

    What a prompt learner takes from its preset is filled in: a preset that changes makes other runs.
    """
    found = asdict(made)  # type: ignore[call-overload]
    if isinstance(made, PromptLearner):
        training = asdict(made.config(seed=0))
        found = {key: value for key, value in found.items() if key != "preset"} | training
        del found["seed"], found["calibration_folds"]  # the run's own; and methods hold nothing out
    return {key: _canonical(value) for key, value in sorted(found.items())}


def _canonical(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def run_key(what: Mapping[str, Any]) -> str:
    """A short SHA-256 of everything that a run's figures depend on."""
    text = json.dumps(what, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]
