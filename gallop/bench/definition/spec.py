"""A benchmark, read from YAML and checked.

Knows neither torch nor the methods: whether a method can be made with its settings, ``plan`` finds out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

from gallop.bench.definition.benchmark import (
    RELATIONS,
    Ablation,
    Claim,
    MethodSettings,
    Published,
    Rule,
    Side,
    Spec,
    Unknown,
    label_of,
)
from gallop.bench.definition.yaml_tree import Section, plain_value, read_tree
from gallop.config import REGION_KINDS
from gallop.data import available_datasets
from gallop.errors import BenchError
from gallop.model.scores import SCORES
from gallop.runtime.reading import read_text
from gallop.wording import listed

SPECS = Path(__file__).parent.parent / "specs"
LARGEST_SPEC = 256 * 2**10
"""Bytes; the longest that is shipped has a thirtieth of them, and YAML is read slowly."""
_ACCURACIES = ("accuracy", "accuracy_global", "accuracy_local", "accuracy_head")
_OF_SCORES = ("fpr95", "auroc")
_CLAIM_KEYS = ("claim", "metric", "better", "than", "shots", "relation", "test", "margin")


def shipped_specs() -> dict[str, Path]:
    """Return the benchmarks that come with gallop, by name."""
    return {path.stem: path for path in sorted(SPECS.glob("*.yaml"))}


def read_spec(name: str) -> Spec:
    """Return a shipped benchmark by name, or one of a YAML file.

    Raises:
        BenchError: no such benchmark, or one that is not as it must be.
    """
    shipped = shipped_specs()
    path = shipped.get(name, Path(name))
    try:
        text = read_text(path, LARGEST_SPEC)
    except FileNotFoundError as error:
        raise BenchError(
            f"There is no benchmark {name!r}; shipped are {', '.join(shipped)}; or give a YAML file."
        ) from error
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}); give a YAML file.") from error
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} is no text in UTF-8.") from error
    return parse_spec(text, path.name)


def parse_spec(text: str, source: str) -> Spec:
    """Return a benchmark from YAML. Raises BenchError."""
    top = Section(source, read_tree(text, source), _names(Spec))
    shots, transfer = top.wholes("shots", 1), top.section("transfer")
    spec = Spec(
        name=top.text("name"),
        about=top.text("about", ""),
        backbone=top.text("backbone", "mini"),
        sets=_folders(top, "sets"),
        shots=shots,
        seeds=top.wholes("seeds", 0),
        methods=_recipes(top.section("methods")),
        regions=_kind(top, "value"),
        settings=tuple(_rule(section) for section in _sections(top, "settings")),
        unknown=_unknown(top.section("unknown", ("folder", "sets", "skip"))) if "unknown" in top else None,
        transfer={_folder(key, transfer.place(key)): _folders(transfer, key) for key in transfer},
        ablations={name: _ablation(top.section("ablations"), name, shots) for name in top.section("ablations")},
        claims=tuple(_claim(section) for section in _sections(top, "claims", _CLAIM_KEYS)),
        published=tuple(_published(section) for section in _sections(top, "published", _names(Published))),
    )
    _check(spec, source)
    return spec


def _names(of: type[Spec] | type[Published]) -> list[str]:
    return [field.name for field in fields(of)]


def _folder(name: str, place: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BenchError(f"{place}: {name!r} must be a folder below DATA.")
    return path.as_posix()


def _folders(section: Section, key: str) -> tuple[str, ...]:
    return tuple(_folder(name, section.place(key)) for name in section.texts(key))


def _recipes(section: Section) -> dict[str, MethodSettings]:
    recipes = {}
    for heading in section:
        entry = section.section(heading)
        settings = _settings(entry, ("method", "regions", "backbone"))
        recipes[heading] = MethodSettings(entry.text("method"), settings, _kind(entry, ""), entry.text("backbone", ""))
    return recipes


def _settings(section: Section, others: Sequence[str]) -> dict[str, Any]:
    return {key: plain_value(section.tree(key)) for key in section if key not in others}


def _kind(section: Section, default: str) -> str:
    kind = section.text("regions", default)
    if kind not in (default, *REGION_KINDS):
        raise BenchError(f"{section.place('regions')} is {kind!r}; choose one of {', '.join(REGION_KINDS)}.")
    return kind


def _rule(section: Section) -> Rule:
    settings = _settings(section, ("methods", "sets", "shots"))
    if not settings:
        raise BenchError(f"{section.where} sets nothing; add a setting, such as epochs: 50.")
    return Rule(
        settings,
        methods=section.texts("methods"),
        sets=_folders(section, "sets"),
        shots=section.wholes("shots", 1) if "shots" in section else (),
    )


def _unknown(section: Section) -> Unknown:
    skip = section.section("skip")
    names = {_folder(key, section.place("skip")): skip.texts(key) for key in skip}
    sets = section.texts("sets")
    folder = _folder(section.text("folder"), section.place("folder")) if "folder" in section or not sets else ""
    return Unknown(folder, names, sets)


def _ablation(section: Section, name: str, shots: tuple[int, ...]) -> Ablation:
    group = section.section(name, ("shots", "sets", "variants"))
    return Ablation(
        variants=_recipes(group.section("variants")),
        shots=group.wholes("shots", 1) if "shots" in group else shots,
        sets=_folders(group, "sets") if "sets" in group else None,
    )


def _sections(top: Section, key: str, keys: Sequence[str] | None = None) -> list[Section]:
    """The entries of a list of mappings; none where the key is absent."""
    items = top.tree(key) if key in top else []
    if not isinstance(items, list):
        raise BenchError(f"{top.place(key)} must be a list.")
    return [Section(f"{top.place(key)} {number}", item, keys) for number, item in enumerate(items, 1)]


def _claim(section: Section) -> Claim:
    metric = section.text("metric", "accuracy")
    claim = Claim(
        claim=section.text("claim"),
        better=_side(section, "better", metric),
        than=_side(section, "than", metric),
        shots=_shots(section),
        relation=section.text("relation", "above"),
        test=section.text("test", ""),
        margin=section.number("margin", 0.0),
    )
    if claim.relation not in RELATIONS:
        raise BenchError(f"{section.place('relation')} is {claim.relation!r}; choose one of {', '.join(RELATIONS)}.")
    if claim.margin < 0 or (claim.margin and claim.relation != "not below"):
        raise BenchError(f"{section.place('margin')} belongs to the relation 'not below' and is 0 or more.")
    for side in (claim.better, claim.than):
        _check_metric(section, side.metric)
    return claim


def _shots(section: Section) -> int:
    shots = section.wholes("shots", 1)
    if len(shots) != 1:
        raise BenchError(f"{section.place('shots')} must be one whole number.")
    return shots[0]


def _check_metric(section: Section, metric: str) -> None:
    kind, _, score = metric.partition("/")
    if metric not in _ACCURACIES and (kind not in _OF_SCORES or score not in SCORES):
        raise BenchError(
            f"{section.where}: there is no metric {metric!r}; the metrics are accuracy, accuracy_global, "
            f"accuracy_local, accuracy_head, fpr95/SCORE and auroc/SCORE, where SCORE is one of {', '.join(SCORES)}."
        )


def _published(section: Section) -> Published:
    metric, values = section.text("metric", "accuracy"), section.section("values")
    _check_metric(section, metric)
    percent = {name: values.number(name, math.nan) for name in values}
    wrong = [name for name, value in percent.items() if not 0 <= value <= 100]
    if wrong or not percent:
        raise BenchError(f"{section.place('values')} must be percentages by set, such as imagenet: 75.1.")
    return Published(
        method=section.text("method"),
        metric=metric,
        shots=_shots(section),
        values={name: value / 100 for name, value in percent.items()},
        source=section.text("source"),
        trained=section.text("trained", ""),
    )


def _side(section: Section, key: str, metric: str) -> Side:
    if not isinstance(section.tree(key), dict):
        return Side(section.text(key), metric)
    side = section.section(key, ("method", "metric"))
    return Side(side.text("method"), side.text("metric", metric))


def _check(spec: Spec, source: str) -> None:
    """Check what depends on several entries."""
    if not spec.methods:
        raise BenchError(f"{source}, 'methods' names no method; give at least one.")
    for group, ablation in spec.ablations.items():
        if not ablation.variants:
            raise BenchError(f"{source}, 'ablations', {group!r} has no variants; give at least one.")
        clash = [v for v in ablation.variants if label_of(v, group) in spec.methods]
        if clash:
            raise BenchError(f"{source}: {label_of(clash[0], group)!r} is a method and a variant; rename one.")
    _check_sets(spec, source)
    for claim in spec.claims:
        for side in (claim.better, claim.than):
            line = spec.lines.get(side.label)
            if line is None:
                raise BenchError(f"{source}, claim {claim.claim!r}: there is no method or variant {side.label!r}.")
            if claim.shots not in line.shots:
                raise BenchError(f"{source}, claim {claim.claim!r}: {side.label!r} is not run at {claim.shots} shots.")
        if claim.test and claim.test not in {t for targets in spec.transfer.values() for t in targets}:
            raise BenchError(f"{source}, claim {claim.claim!r}: 'transfer' tests nothing on {claim.test!r}.")


def _check_sets(spec: Spec, source: str) -> None:
    """Sets to learn from are among the benchmark's; photos of any set by name may be asked about."""
    by_name = {known.name for known in available_datasets()}
    named = {
        "ablations": [s for ablation in spec.ablations.values() for s in ablation.sets or ()],
        "settings": [s for rule in spec.settings for s in rule.sets],
        "transfer": [
            *spec.transfer,
            *(s for targets in spec.transfer.values() for s in targets if s not in by_name),
        ],
    }
    for key, sets in named.items():
        foreign = [s for s in sets if spec.sets and s not in spec.sets]
        if foreign:
            raise BenchError(f"{source}, {key!r} names the set {foreign[0]!r}; 'sets' has {listed(spec.sets, 20)}.")
