"""From a specification and photos to runs, in an order that is useful when it is cut off.

Seeds come outermost: after the first one every table is there, later ones give the spread. Within a seed the most
shots come first, which the main table, the ablations and the claims are about, then fewer. Within these, one set
after the other, so that its features stay in memory, with methods and then variants in the order of the file. A method
that learns nothing runs once a set, before everything else.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gallop.data import LabelledPhotos, PhotoSet
from gallop.errors import BackboneError, BenchError, UnsupportedBackbone
from gallop.features.encoding import Sight
from gallop.lab import methods
from gallop.lab.bench.definition.benchmark import Line, Spec, label_of
from gallop.lab.bench.running.keys import FIGURES, REVISED, canonical, run_key
from gallop.lab.bench.running.photos import Photos, class_numbers
from gallop.lab.methods import METHODS, Method, method_sight
from gallop.wording import listed

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
        settings: as they are in its key, in JSON's types; later ones only where they are not at their default.
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

    @property
    def photos(self) -> int:
        """The number of shots of all classes, without drawing them."""
        return self.shots * len(self.source.class_names)


@dataclass(frozen=True)
class TableEntry:
    """Where figures of a run are shown: a line of the main tables, or of an ablation's. Two entries may share a run."""

    heading: str
    group: str
    set: str
    shots: int
    seed: int
    key: str

    @property
    def label(self) -> str:
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
            raise BenchError(
                f"{item!r} is not a {what} of this benchmark; choose one of "
                f"{listed([str(each) for each in sorted(there)], 20)}."
            )


def _dealt(runs: list[BenchRun], part: int, parts: int) -> Iterator[BenchRun]:
    seen: Counter[str] = Counter()
    order = {method: i for i, method in enumerate(dict.fromkeys(run.method for run in runs))}
    for run in runs:
        # Methods begin at different parts, so that those with a single run do not all go to the first.
        if (seen[run.method] + order[run.method]) % parts == part - 1:
            yield run
        seen[run.method] += 1


def make_plan(
    spec: Spec,
    photos: Photos,
    fingerprint: Callable[[str, str], str],
    asked: Collection[int] | None = None,
    only: Collection[str] | None = None,
) -> Plan:
    """Return all runs of a benchmark on some photos.

    Args:
        fingerprint: of a backbone by name and kind of regions; called for each line, it may have to load the backbone.
        asked: shots that are asked for; others are left out where a set has too few photos. None asks for all.
        only: lines or groups that are asked for; others are left out where their backbone cannot be loaded.

    Raises:
        BenchError: a method that cannot be made, or a class with fewer photos than shots.
        BackboneError, UnsupportedBackbone: a backbone that cannot be loaded.
    """
    _check_rules(spec)
    pairs: list[tuple[TableEntry, BenchRun]] = []
    for line in spec.lines.values():
        learns, recipe = _made(line, {}).learns, line.recipe
        backbone = recipe.backbone or spec.backbone, recipe.regions or spec.regions
        try:
            mark = fingerprint(*backbone)
        except (BackboneError, UnsupportedBackbone) as error:
            if only is None or {line.label, line.group} & set(only):
                raise
            warnings.warn(f"{line.label} was skipped: {error}", stacklevel=2)
            continue
        places = [(shots, seed) for shots in line.shots for seed in spec.seeds] if learns else [(UNTAUGHT, UNTAUGHT)]
        for source in photos.sets.values():
            for shots, seed in places if line.sets is None or source.name in line.sets else ():
                if _enough(source, shots, asked):
                    run = _run(spec, photos, line, (*backbone, mark), source, shots, seed)
                    pairs.append((TableEntry(line.heading, line.group, source.name, shots, seed, run.key), run))
    pairs.sort(key=lambda pair: _order(pair[0], spec, list(photos.sets)))
    runs: dict[str, BenchRun] = {}
    for _, run in pairs:
        runs.setdefault(run.key, run)
    return Plan(
        spec, tuple(photos.sets), tuple(photos.unknown), tuple(runs.values()), tuple(entry for entry, _ in pairs)
    )


def _order(entry: TableEntry, spec: Spec, sets: list[str]) -> tuple[int, ...]:
    if entry.shots == UNTAUGHT:
        return 0, 0, 0, sets.index(entry.set)
    # The sort is stable: methods, then variants, as in the file.
    return 1, spec.seeds.index(entry.seed), -entry.shots, sets.index(entry.set)


def _check_rules(spec: Spec) -> None:
    """A setting that no method has is a slip of the pen."""
    known = {
        line.recipe.method: _settings_of(line.recipe.method)
        for line in spec.lines.values()
        if line.recipe.method in METHODS and METHODS[line.recipe.method].learns
    }
    for rule in spec.settings:
        strange = [name for name in rule.methods if name not in known]
        if strange:
            raise BenchError(f"'settings' names {strange[0]!r}, which is not a trained method of this benchmark.")
        for key in rule.settings:
            if not any(key in known[name] for name in rule.methods or known):
                raise BenchError(
                    f"'settings' has {key!r}, which is not a setting of any method that the entry applies to."
                )


def _enough(source: PhotoSet, shots: int, asked: Collection[int] | None) -> bool:
    fewest, name = source.fewest
    if shots <= fewest:
        return True
    if asked is not None and shots not in asked:
        return False
    raise BenchError(
        f"The set {source.name} has {fewest} training photos of {name!r}, but {shots} shots are needed. Add photos, "
        f"or run the benchmark without {shots} shots (--shots), or without this set (--sets)."
    )


def _run(
    spec: Spec, photos: Photos, line: Line, backbone: tuple[str, str, str], source: PhotoSet, shots: int, seed: int
) -> BenchRun:
    """The run of a line at some shots of a set; ``backbone`` is its name, its regions and its fingerprint."""
    name, asked = source.name, photos.asked
    skipped = spec.unknown.skip.get(name, ()) if spec.unknown else ()
    groups = tuple(group for group in photos.unknown if group not in skipped)
    targets = tuple(target for target in spec.transfer.get(name, ()) if target in asked)
    data: dict[str, Any] = {
        "classes": list(source.class_names),
        "train": source.drawn(shots, seed),
        "test": source.fingerprint,
        "transfer": {target: asked[target].fingerprint for target in targets},
        "unknown": {group: photos.unknown[group].fingerprint for group in groups},
    }
    # Where a set has fewer classes, answers are among these: other figures than among all.
    fewer = {target: sorted(class_numbers(source, asked[target])) for target in targets}
    among = {
        target: run_key({"classes": numbers})
        for target, numbers in fewer.items()
        if len(numbers) < len(source.class_names)
    }
    if among:
        data["among"] = among
    method, made = line.recipe.method, _made(line, spec.rules(line.recipe.method, name, shots) if shots else {})
    settings = canonical(method, made)
    what: dict[str, Any] = {"gallop": FIGURES, "backbone": backbone[2], "method": method, "settings": settings}
    if method in REVISED:
        what["revised"] = REVISED[method]
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
        fitting = {key: value for key, value in rules.items() if key in _settings_of(method)}
        return methods.make_method(method, fitting | dict(line.recipe.settings))
    except (TypeError, ValueError) as error:  # ConfigError, or a value of another kind
        raise BenchError(f"{line.label}: {error}") from error


def _settings_of(method: str) -> set[str]:
    return set(methods.method_settings(method)) if method in METHODS else set()
