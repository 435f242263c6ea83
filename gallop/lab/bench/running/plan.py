"""From a specification and photos to runs, in an order that is useful when it is cut off.

Seeds come outermost: after the first one every table is there, later ones give the spread. Within a seed the most
shots come first, which the main table and the ablations are about, then fewer. Within these, one set after the other,
with methods and then variants in the order of the file. A method that learns nothing runs once a set, before everything
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gallop.data import LabelledPhotos, PhotoSet
from gallop.errors import BenchError
from gallop.features.encoding import Sight
from gallop.lab import methods
from gallop.lab.bench.definition.benchmark import Line, Spec
from gallop.lab.bench.running.keys import FIGURES, canonical, run_key
from gallop.lab.bench.running.photos import Photos, class_numbers
from gallop.lab.methods import METHODS, Method, method_sight

UNTAUGHT = 0
"""The shots, and the seed, of a run that learns nothing."""
FeatureKind = tuple[str, str, Sight]
"""A backbone, its regions, and what a method asks for of photos: runs of the same share features."""


@dataclass(frozen=True)
class BenchRun:
    """One training and its test.

    Attributes:
        key: of everything that its figures depend on; equal keys, equal figures.
        made: the method, ready to learn.
        settings: as they are in its key, in JSON's types, where they are not at their default.
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
    def feature_kind(self) -> FeatureKind:
        return self.backbone, self.regions, method_sight(self.made)

    @property
    def train(self) -> LabelledPhotos:
        """The shots, drawn now; empty for a method that learns nothing."""
        return self.source.draw(self.shots, self.seed)


@dataclass(frozen=True)
class TableEntry:
    """Where figures of a run are shown. Two entries may share a run."""

    line: Line
    set: str
    shots: int
    seed: int
    key: str


@dataclass(frozen=True)
class Plan:
    """Every run of a benchmark, and every place that its figures have."""

    spec: Spec
    sets: tuple[str, ...]
    unknown: tuple[str, ...]
    runs: tuple[BenchRun, ...]
    entries: tuple[TableEntry, ...]


def make_plan(spec: Spec, photos: Photos, fingerprint: Callable[[str, str], str]) -> Plan:
    """Return all runs of a benchmark on some photos.

    Args:
        fingerprint: of a backbone by name and kind of regions; called for each line, it may have to load the backbone.

    Raises:
        BenchError: a method that cannot be made, or a class with fewer photos than shots.
        BackboneError, UnsupportedBackbone: a backbone that cannot be loaded.
    """
    pairs: list[tuple[TableEntry, BenchRun]] = []
    for line in spec.lines:
        recipe = line.recipe
        backbone = recipe.backbone or spec.backbone, recipe.regions or spec.regions
        mark, learns = fingerprint(*backbone), _made(line, {}).learns
        places = [(shots, seed) for shots in line.shots for seed in spec.seeds] if learns else [(UNTAUGHT, UNTAUGHT)]
        for source in photos.sets.values():
            for shots, seed in places if line.sets is None or source.name in line.sets else ():
                run = _run(spec, photos, line, (*backbone, mark), source, shots, seed)
                pairs.append((TableEntry(line, source.name, shots, seed, run.key), run))
    sets = list(photos.sets)

    def order(pair: tuple[TableEntry, BenchRun]) -> tuple[int, ...]:
        entry, _ = pair  # the sort is stable: methods, then variants, as in the file
        taught = entry.shots != UNTAUGHT
        return taught, spec.seeds.index(entry.seed) if taught else 0, -entry.shots, sets.index(entry.set)

    pairs.sort(key=order)
    runs: dict[str, BenchRun] = {}
    for _, run in pairs:
        runs.setdefault(run.key, run)
    return Plan(spec, tuple(sets), tuple(photos.unknown), tuple(runs.values()), tuple(entry for entry, _ in pairs))


def check_rules(spec: Spec) -> None:
    """Refuse settings that no method of a benchmark has. Raises BenchError."""
    used = {line.recipe.method for line in spec.lines}
    known = {name: methods.method_settings(name) for name in used if name in METHODS and METHODS[name].learns}
    for rule in spec.settings:
        strange = [name for name in rule.methods if name not in known]
        if strange:
            raise BenchError(f"'settings' names {strange[0]!r}, which is not a trained method of this benchmark.")
        for key in rule.settings:
            if not any(key in known[name] for name in rule.methods or known):
                raise BenchError(
                    f"'settings' has {key!r}, which is not a setting of any method that the entry applies to."
                )


def _run(
    spec: Spec, photos: Photos, line: Line, backbone: tuple[str, str, str], source: PhotoSet, shots: int, seed: int
) -> BenchRun:
    """The run of a line at some shots of a set; ``backbone`` is its name, its regions and its fingerprint."""
    name, (fewest, smallest) = source.name, source.fewest
    if shots > fewest:
        raise BenchError(
            f"The set {name} has {fewest} training photos of {smallest!r}, but {shots} shots are needed. Add photos, "
            "or name the shots (--shots) or the sets (--sets) that can be run."
        )
    skipped = spec.unknown.skip.get(name, ()) if spec.unknown else ()
    groups = tuple(group for group in photos.unknown if group not in skipped)
    targets = spec.transfer.get(name, ())
    data: dict[str, Any] = {
        "classes": list(source.class_names),
        "train": source.drawn(shots, seed),
        "test": source.fingerprint,
        # Where a set has fewer classes, answers are among these: other figures than among all.
        "transfer": {
            target: [photos.asked[target].fingerprint, sorted(class_numbers(source, photos.asked[target]))]
            for target in targets
        },
        "unknown": {group: photos.unknown[group].fingerprint for group in groups},
    }
    method, made = line.recipe.method, _made(line, spec.rules(line.recipe.method, name, shots) if shots else {})
    settings = canonical(made)
    what = {"figures": FIGURES, "backbone": backbone[2], "method": method, "settings": settings}
    return BenchRun(
        key=run_key(what | {"set": name, "shots": shots, "seed": seed, "data": data}),
        method=method,
        made=made,
        settings=settings,
        set=name,
        shots=shots,
        seed=seed,
        source=source,
        transfer=targets,
        unknown=groups,
        data=data,
        backbone=backbone[0],
        regions=backbone[1],
    )


def _made(line: Line, rules: Mapping[str, Any]) -> Method:
    """The method of a line, with those settings of the rules that it has and the line does not set itself."""
    method = line.recipe.method
    try:
        known = methods.method_settings(method) if method in METHODS else ()
        fitting = {key: value for key, value in rules.items() if key in known}
        return methods.make_method(method, fitting | dict(line.recipe.settings))
    except (TypeError, ValueError) as error:  # ConfigError, or a value of another kind
        raise BenchError(f"{line.label}: {error}") from error
