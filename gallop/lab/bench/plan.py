"""From a specification and photos to runs, in an order that is useful when it is cut off.

Seeds come outermost: after the first one every table is there, later ones give the spread. Within a seed the most
shots come first, which the main table and the ablations are about, then fewer. Within these, one set after the other,
with methods and then variants in the order of the file. A method that learns nothing runs once a set, before everything
else.

The key of a run is a hash of everything that its figures depend on. Neither a release nor a setting that is new makes
another key: releases are not in it, and a setting is where it is not at its default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gallop.data import LabelledPhotos, PhotoSet
from gallop.errors import BenchError
from gallop.features.encoding import Sight
from gallop.lab.bench.photos import Photos, class_numbers
from gallop.lab.bench.spec import Line, Spec
from gallop.lab.methods import Method, make_method, method_sight
from gallop.lab.methods.prompt_learning import RUN_SETTINGS, PromptLearner
from gallop.parts import saved_parts

FIGURES = "2"
"""Version of the figures, a part of every key. It is raised where equal settings and equal photos give other figures
from then on, and so where the default of a setting changes; never for a release."""
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
class Plan:
    """Every place in the tables of a benchmark with the run whose figures are there; two places may share a run."""

    spec: Spec
    sets: tuple[str, ...]
    unknown: tuple[str, ...]
    entries: tuple[tuple[Line, BenchRun], ...]

    @property
    def runs(self) -> tuple[BenchRun, ...]:
        """Return every run once, in order."""
        return tuple({run.key: run for _, run in reversed(self.entries)}.values())[::-1]


def make_plan(spec: Spec, photos: Photos, fingerprint: Callable[[str, str], str]) -> Plan:
    """Return all runs of a benchmark on some photos.

    Args:
        fingerprint: of a backbone by name and kind of regions; called for each line, it may have to load the backbone.

    Raises:
        BenchError: a method that cannot be made, or a class with fewer photos than shots.
        BackboneError, UnsupportedBackbone: a backbone that cannot be loaded.
    """
    entries: list[tuple[Line, BenchRun]] = []
    for line in spec.lines:
        backbone = line.backbone or spec.backbone, line.regions
        mark, learns = fingerprint(*backbone), _made(line, {}).learns
        places = [(shots, seed) for shots in line.shots for seed in spec.seeds] if learns else [(UNTAUGHT, UNTAUGHT)]
        for source in photos.sets.values():
            for shots, seed in places if line.sets is None or source.name in line.sets else ():
                entries.append((line, _run(spec, photos, line, (*backbone, mark), source, shots, seed)))
    sets = list(photos.sets)

    def order(entry: tuple[Line, BenchRun]) -> tuple[int, ...]:
        _, run = entry  # the sort is stable: methods, then variants, as in the file
        taught = run.shots != UNTAUGHT
        return taught, spec.seeds.index(run.seed) if taught else 0, -run.shots, sets.index(run.set)

    return Plan(spec, tuple(sets), tuple(photos.unknown), tuple(sorted(entries, key=order)))


def _run(
    spec: Spec, photos: Photos, line: Line, backbone: tuple[str, str, str], source: PhotoSet, shots: int, seed: int
) -> BenchRun:
    """The run of a line at some shots of a set; ``backbone`` is its name, its regions and its fingerprint."""
    name, (fewest, smallest) = source.name, source.fewest
    if source.class_names and shots > fewest:  # a set of no_photos has no classes
        raise BenchError(
            f"The set {name} has {fewest} training photos of {smallest!r}, but {shots} shots are needed. Add photos, "
            "or name the shots (--shots) or the sets (--sets) that can be run."
        )
    groups = tuple(group for group in photos.unknown if group not in spec.unknown.skip.get(name, ()))
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
    made = _made(line, spec.rules(line.method, name, shots) if shots else {})
    settings = canonical(made)
    what = {"figures": FIGURES, "backbone": backbone[2], "method": line.method, "settings": settings}
    return BenchRun(
        key=run_key(what | {"set": name, "shots": shots, "seed": seed, "data": data}),
        method=line.method,
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
    """The method of a line, with those settings of the rules that the line does not set itself."""
    try:
        return make_method(line.method, {**rules, **line.settings})
    except (TypeError, ValueError) as error:  # ConfigError, or a value of another kind
        raise BenchError(f"{line.label}: {error}") from error


def canonical(made: Method) -> dict[str, Any]:
    """Return the settings of a method that are not at their default, in JSON's types, so that equal ones are equal
    however they were written.

    What a prompt learner takes from its preset is filled in: a preset that changes makes other runs.
    """
    settings, usual = asdict(made) | saved_parts(made), _defaults(made)  # type: ignore[call-overload]
    if isinstance(made, PromptLearner):
        training = made.config(seed=0)
        settings, usual = settings | asdict(training) | saved_parts(training), _defaults(training) | usual
        for key in ("preset", *RUN_SETTINGS):  # what is in a preset is filled in
            del settings[key]
    return {
        key: _canonical(value)
        for key, value in sorted(settings.items())
        if key not in usual or _canonical(value) != _canonical(usual[key])
    }


def _defaults(config: Any) -> dict[str, Any]:
    return {each.name: each.default for each in fields(config)}


def _canonical(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def run_key(what: Mapping[str, Any]) -> str:
    """Return a short SHA-256 of everything that a run's figures depend on."""
    text = json.dumps(what, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:20]
