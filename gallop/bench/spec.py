"""What a benchmark asks: methods, data sets, shots, seeds, ablations and claims, read from YAML and checked.

Knows neither torch nor the methods: whether a method can be made with its settings, ``plan`` finds out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from gallop.bench.reading import BenchError, Section, Tree, plain, read_tree

SPECS = Path(__file__).parent / "specs"
RELATIONS = ("above", "not below", "below")
_METRIC = re.compile(r"accuracy(_global|_local)?|(fpr95|auroc)/[\w-]+")
_METHOD = "method"
"""The key of a recipe that is no setting."""


@dataclass(frozen=True)
class Recipe:
    """How a line of a table is made: a method and the settings that replace its defaults."""

    method: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Ablation:
    """Variants of a method at shots and sets of their own; ``sets`` is None for all."""

    variants: Mapping[str, Recipe]
    shots: tuple[int, ...]
    sets: tuple[str, ...] | None


@dataclass(frozen=True)
class Unknown:
    """Groups of unknown photos: the folders in ``folder``; ``skip`` names those that a set knows after all."""

    folder: str
    skip: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Side:
    """One side of a claim: a line of the tables and a metric of it."""

    label: str
    metric: str


@dataclass(frozen=True)
class Claim:
    """A sentence that figures can support or not.

    Attributes:
        relation: of ``better`` to ``than``: "above", "below", or "not below" (by more than ``margin``, a fraction).
        test: only figures on the test photos of this set, of runs that were trained elsewhere; empty for the own ones.
    """

    claim: str
    better: Side
    than: Side
    shots: int
    relation: str
    test: str
    margin: float


@dataclass(frozen=True)
class Spec:
    """A benchmark.

    Attributes:
        sets: folders below DATA; empty for every one that holds train/ and test/.
        transfer: set -> sets whose test photos its runs are asked about too.
        methods: heading -> recipe.
        ablations: group -> variants.
    """

    name: str
    about: str
    backbone: str
    sets: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    methods: Mapping[str, Recipe]
    unknown: Unknown | None = None
    transfer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ablations: Mapping[str, Ablation] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    @property
    def labels(self) -> dict[str, tuple[int, ...]]:
        """Every line of the tables, "heading" or "group / variant", and the shots it is there for."""
        found = dict.fromkeys(self.methods, self.shots)
        for group, ablation in self.ablations.items():
            found.update((label_of(variant, group), ablation.shots) for variant in ablation.variants)
        return found


def label_of(heading: str, group: str = "") -> str:
    """What a line of the tables is called in claims."""
    return f"{group} / {heading}" if group else heading


def shipped_specs() -> dict[str, Path]:
    """The benchmarks that come with gallop, by name."""
    return {path.stem: path for path in sorted(SPECS.glob("*.yaml"))}


def read_spec(name: str) -> Spec:
    """A shipped benchmark by name, or one of a YAML file.

    Raises:
        BenchError: no such benchmark, or one that is not as it must be.
    """
    shipped = shipped_specs()
    path = shipped.get(name, Path(name))
    if not path.is_file():
        raise BenchError(f"There is no benchmark {name!r}; shipped are {', '.join(shipped)}; or give a YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} is no text in UTF-8.") from error
    return parse_spec(text, path.name)


def parse_spec(text: str, source: str) -> Spec:
    """A benchmark from YAML. Raises BenchError."""
    top = Section(source, read_tree(text, source), [f.name for f in fields(Spec)])
    shots = top.wholes("shots", 1)
    spec = Spec(
        name=top.text("name"),
        about=top.text("about", ""),
        backbone=top.text("backbone", "mini"),
        sets=tuple(_folder(name, top.place("sets")) for name in top.texts("sets")) if "sets" in top else (),
        shots=shots,
        seeds=top.wholes("seeds", 0),
        methods=_recipes(top.section("methods")),
        unknown=_unknown(top.section("unknown", ("folder", "skip"))) if "unknown" in top else None,
        transfer=_lists_of_sets(top.section("transfer")),
        ablations={name: _ablation(top.section("ablations"), name, shots) for name in top.section("ablations")},
        claims=tuple(_claims(top)) if "claims" in top else (),
    )
    _check(spec, source)
    return spec


def _folder(name: str, place: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BenchError(f"{place}: {name!r} must be a folder below DATA.")
    return path.as_posix()


def _lists_of_sets(section: Section) -> dict[str, tuple[str, ...]]:
    return {
        _folder(key, section.place(key)): tuple(_folder(name, section.place(key)) for name in section.texts(key))
        for key in section
    }


def _recipes(section: Section) -> dict[str, Recipe]:
    recipes = {}
    for heading in section:
        entry = section.section(heading)
        settings = {key: plain(entry.tree(key)) for key in entry if key != _METHOD}
        recipes[heading] = Recipe(entry.text(_METHOD), settings)
    return recipes


def _unknown(section: Section) -> Unknown:
    skip = section.section("skip")
    names = {_folder(key, section.place("skip")): skip.texts(key) for key in skip}
    return Unknown(_folder(section.text("folder"), section.place("folder")), names)


def _ablation(section: Section, name: str, shots: tuple[int, ...]) -> Ablation:
    own = section.section(name, ("shots", "sets", "variants"))
    return Ablation(
        variants=_recipes(own.section("variants")),
        shots=own.wholes("shots", 1) if "shots" in own else shots,
        sets=tuple(_folder(s, own.place("sets")) for s in own.texts("sets")) if "sets" in own else None,
    )


def _claims(top: Section) -> list[Claim]:
    items = top.tree("claims")
    if not isinstance(items, list):
        raise BenchError(f"{top.place('claims')} must be a list.")
    return [_claim(item, f"{top.place('claims')} {number}") for number, item in enumerate(items, 1)]


def _claim(item: Tree, where: str) -> Claim:
    keys = ("claim", "metric", "better", "than", "shots", "relation", "test", "margin")
    section = Section(where, item, keys)
    metric = section.text("metric", "accuracy")
    shots = section.wholes("shots", 1)
    claim = Claim(
        claim=section.text("claim"),
        better=_side(section, "better", metric),
        than=_side(section, "than", metric),
        shots=shots[0],
        relation=section.text("relation", "above"),
        test=section.text("test", ""),
        margin=section.number("margin", 0.0),
    )
    if len(shots) != 1:
        raise BenchError(f"{section.place('shots')} must be one whole number.")
    if claim.relation not in RELATIONS:
        raise BenchError(f"{section.place('relation')} is {claim.relation!r}; choose one of {', '.join(RELATIONS)}.")
    if claim.margin < 0 or (claim.margin and claim.relation != "not below"):
        raise BenchError(f"{section.place('margin')} belongs to the relation 'not below' and is 0 or more.")
    for side in (claim.better, claim.than):
        if not _METRIC.fullmatch(side.metric):
            raise BenchError(
                f"{where}: there is no metric {side.metric!r}; the metrics are accuracy, accuracy_global, "
                "accuracy_local, fpr95/SCORE and auroc/SCORE, such as fpr95/GL-MCM."
            )
    return claim


def _side(section: Section, key: str, metric: str) -> Side:
    if not isinstance(section.tree(key), dict):
        return Side(section.text(key), metric)
    own = section.section(key, ("method", "metric"))
    return Side(own.text("method"), own.text("metric", metric))


def _check(spec: Spec, source: str) -> None:
    """What only the whole can tell."""
    if not spec.methods:
        raise BenchError(f"{source}, 'methods' names no method; give at least one.")
    for group, ablation in spec.ablations.items():
        if not ablation.variants:
            raise BenchError(f"{source}, 'ablations', {group!r} has no variants; give at least one.")
        clash = [v for v in ablation.variants if label_of(v, group) in spec.methods]
        if clash:
            raise BenchError(f"{source}: {label_of(clash[0], group)!r} is a method and a variant; rename one.")
    named = {
        "ablations": [s for ablation in spec.ablations.values() for s in ablation.sets or ()],
        "transfer": [s for source_set, targets in spec.transfer.items() for s in (source_set, *targets)],
    }
    for key, sets in named.items():
        foreign = [s for s in sets if spec.sets and s not in spec.sets]
        if foreign:
            raise BenchError(f"{source}, {key!r} names the set {foreign[0]!r}; 'sets' has {', '.join(spec.sets)}.")
    for claim in spec.claims:
        for side in (claim.better, claim.than):
            shots = spec.labels.get(side.label)
            if shots is None:
                raise BenchError(f"{source}, claim {claim.claim!r}: there is no method or variant {side.label!r}.")
            if claim.shots not in shots:
                raise BenchError(f"{source}, claim {claim.claim!r}: {side.label!r} is not run at {claim.shots} shots.")
        if claim.test and claim.test not in {t for targets in spec.transfer.values() for t in targets}:
            raise BenchError(f"{source}, claim {claim.claim!r}: 'transfer' tests nothing on {claim.test!r}.")
