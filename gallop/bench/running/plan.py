"""From a specification and photos to runs, in an order that is useful when it is cut off.

Seeds come outermost: after the first one every table is there, later ones give the spread. Within a seed the most
shots come first, where the main table, the ablations and the claims stand, then fewer. Within these, one set after
the other, so that its features stay in memory, with methods and then variants in the order of the file. A method that
learns nothing runs once a set, before everything else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gallop import methods
from gallop.bench.definition.benchmark import MethodSettings, Spec, label_of
from gallop.bench.running.keys import FIGURES, REVISED, canonical, run_key
from gallop.bench.running.photo_sets import Photos, class_numbers
from gallop.bench.running.runs import UNTAUGHT, BenchRun, Plan, TableEntry
from gallop.data import PhotoSet
from gallop.errors import BackboneError, BenchError, UnsupportedTower
from gallop.methods import METHODS, Method

Fingerprint = Callable[[str, str], str]
"""Of a backbone by name and kind of region features."""


def make_plan(
    spec: Spec,
    photos: Photos,
    fingerprint: Fingerprint,
    asked: Collection[int] | None = None,
    only: Collection[str] | None = None,
) -> Plan:
    """Return all runs of a benchmark on some photos.

    Args:
        fingerprint: asked once for each backbone and kind that a line needs; it may have to load the backbone.
        asked: shots that are asked for; others are left out where a set has too few photos. None asks for all.
        only: lines or groups that are asked for; others are left out where their backbone cannot be loaded.

    Raises:
        BenchError: a method that cannot be made, or a class with fewer photos than shots.
        BackboneError, UnsupportedTower: a backbone that cannot be loaded.
    """
    maker = _Maker(spec, photos, fingerprint, asked, only)
    runs: dict[str, BenchRun] = {}
    entries: list[TableEntry] = []
    for entry, run in sorted(maker.all(), key=lambda pair: _order(pair[0], spec, list(photos.sets))):
        runs.setdefault(run.key, run)
        entries.append(entry)
    return Plan(spec, tuple(photos.sets), tuple(photos.unknown), tuple(runs.values()), tuple(entries))


def _order(entry: TableEntry, spec: Spec, sets: list[str]) -> tuple[Any, ...]:
    if entry.shots == UNTAUGHT:
        return 0, 0, 0, sets.index(entry.set)
    # `sorted` is stable: methods, then variants, as in the file.
    return 1, spec.seeds.index(entry.seed), -entry.shots, sets.index(entry.set)


@dataclass(frozen=True)
class _Line:
    """A line of the tables, and the fingerprint of the backbone that it learns and answers with."""

    heading: str
    group: str
    recipe: MethodSettings
    backbone: str
    regions: str
    fingerprint: str


@dataclass(frozen=True)
class _Maker:
    spec: Spec
    photos: Photos
    fingerprint: Fingerprint
    asked: Collection[int] | None
    only: Collection[str] | None

    def all(self) -> Iterator[tuple[TableEntry, BenchRun]]:
        self._check_rules()
        for heading, recipe in self.spec.methods.items():
            yield from self._line(heading, "", recipe, self.spec.shots, None)
        for group, ablation in self.spec.ablations.items():
            for heading, recipe in ablation.variants.items():
                yield from self._line(heading, group, recipe, ablation.shots, ablation.sets)

    def _check_rules(self) -> None:
        """A setting that no method has is a slip of the pen."""
        used = {recipe.method for recipe in self.spec.recipes.values()}
        known = {name: _settings_of(name) for name in used if name in METHODS and METHODS[name].learns}
        for rule in self.spec.settings:
            strange = [name for name in rule.methods if name not in known]
            if strange:
                raise BenchError(f"'settings' is about {strange[0]!r}, which is no method here that learns.")
            for key in rule.settings:
                if not any(key in known[name] for name in rule.methods or known):
                    raise BenchError(f"'settings' has {key!r}, which no method has that it is about.")

    def _line(
        self, heading: str, group: str, recipe: MethodSettings, shots: tuple[int, ...], sets: tuple[str, ...] | None
    ) -> Iterator[tuple[TableEntry, BenchRun]]:
        learns = _made(heading, group, recipe, {}).learns
        backbone, regions = recipe.backbone or self.spec.backbone, recipe.regions or self.spec.regions
        try:
            line = _Line(heading, group, recipe, backbone, regions, self.fingerprint(backbone, regions))
        except (BackboneError, UnsupportedTower) as error:
            if self.only is None or {label_of(heading, group), group} & set(self.only):
                raise
            warnings.warn(f"{label_of(heading, group)} is left out: {error}", stacklevel=2)
            return
        places = [(n, seed) for n in shots for seed in self.spec.seeds] if learns else [(UNTAUGHT, UNTAUGHT)]
        for photo_set in self.photos.sets.values():
            if sets is not None and photo_set.name not in sets:
                continue
            for n, seed in places:
                if self._enough(photo_set, n):
                    run = self._run(line, photo_set, n, seed)
                    yield TableEntry(heading, group, photo_set.name, n, seed, run.key), run

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

    def _run(self, line: _Line, photo_set: PhotoSet, shots: int, seed: int) -> BenchRun:
        unknown, spec = self.photos.unknown, self.spec
        skipped = spec.unknown.skip.get(photo_set.name, ()) if spec.unknown else ()
        groups = tuple(name for name in unknown if name not in skipped)
        asked = self.photos.asked
        targets = tuple(name for name in spec.transfer.get(photo_set.name, ()) if name in asked)
        data: dict[str, Any] = {
            "classes": list(photo_set.class_names),
            "train": photo_set.drawn(shots, seed),
            "test": photo_set.fingerprint,
            "transfer": {name: asked[name].fingerprint for name in targets},
            "unknown": {name: unknown[name].fingerprint for name in groups},
        }
        # Where a set has fewer classes, answers are among these: other figures than among all.
        fewer = {name: sorted(class_numbers(photo_set, asked[name])) for name in targets}
        fewer = {name: numbers for name, numbers in fewer.items() if len(numbers) < len(photo_set.class_names)}
        if fewer:
            data["among"] = {name: run_key({"classes": numbers}) for name, numbers in fewer.items()}
        rules = self.spec.rules(line.recipe.method, photo_set.name, shots) if shots else {}
        made = _made(line.heading, line.group, line.recipe, rules)
        method, settings = line.recipe.method, canonical(line.recipe.method, made)
        what: dict[str, Any] = {"gallop": FIGURES, "backbone": line.fingerprint, "method": method, "settings": settings}
        if method in REVISED:
            what["revised"] = REVISED[method]
        place = {"set": photo_set.name, "shots": shots, "seed": seed, "data": data}
        return BenchRun(
            key=run_key(what | place),
            method=method,
            made=made,
            settings=settings,
            set=photo_set.name,
            shots=shots,
            seed=seed,
            source=photo_set,
            transfer=targets,
            unknown=groups,
            data=data,
            backbone=line.backbone,
            regions=line.regions,
        )


def _made(heading: str, group: str, recipe: MethodSettings, rules: Mapping[str, Any]) -> Method:
    """The method of a line, with those settings of the rules that it has and the line does not set itself."""
    try:
        fitting = {key: value for key, value in rules.items() if key in _settings_of(recipe.method)}
        return methods.make_method(recipe.method, fitting | dict(recipe.settings))
    except (TypeError, ValueError) as error:  # ConfigError, or a value of another kind
        raise BenchError(f"{label_of(heading, group)}: {error}") from error


def _settings_of(method: str) -> set[str]:
    return set(methods.method_settings(method)) if method in METHODS else set()
