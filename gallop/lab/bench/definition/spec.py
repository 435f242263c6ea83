"""A benchmark, read from YAML and checked.

Knows neither torch nor the methods: whether a method can be made with its settings, ``plan`` finds out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from gallop.config import REGION_KINDS
from gallop.errors import BenchError
from gallop.lab.bench.definition.benchmark import (
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
from gallop.lab.paper_sets import available_datasets
from gallop.model.scores import SCORES
from gallop.runtime.reading import read_text
from gallop.wording import listed

SPECS = Path(__file__).parent.parent / "specs"
LARGEST_SPEC = 256 * 2**10
"""Bytes; the longest that is shipped has a thirtieth of them, and YAML is read slowly."""
_ACCURACIES = ("accuracy", "accuracy_global", "accuracy_local", "accuracy_head")
_OF_SCORES = ("fpr95", "auroc")
_CLAIM_KEYS = ("claim", "metric", "better", "than", "shots", "relation", "test", "margin")


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases, by which a short file may never end, and without keys that are there twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed; repeat the value itself instead")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in keys[:number]:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: the key {key.value!r} appears twice")
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


class Section(dict[str, Any]):
    """A mapping of the file, asked for key by key.

    Args:
        where: what it is called in messages.
        keys: those it may have; None for names that the user chooses.

    Raises:
        BenchError: no mapping, or a key that it may not have. The methods raise it for absent keys and other values.
    """

    def __init__(self, where: str, value: Any, keys: Collection[str] | None = None) -> None:
        if not isinstance(value, dict):
            raise BenchError(f"{where} must be a mapping, with a line `key: value` for each entry.")
        for key in value:
            if not isinstance(key, str):
                raise BenchError(f"{where}: the key {key!r} must be text. Put it in quotes.")
            if keys is not None and key not in keys:
                raise BenchError(f"{where} contains the unknown key {key!r}; the known keys are {', '.join(keys)}.")
        super().__init__(value)
        self.where = where

    def __missing__(self, key: str) -> Any:
        raise BenchError(f"{self.where} is missing the key {key!r}.")

    def place(self, key: str) -> str:
        return f"{self.where}, {key!r}"

    def section(self, key: str, keys: Collection[str] | None = None) -> Section:
        """Return a mapping; an empty one where the key is absent."""
        return Section(self.place(key), self.get(key, {}), keys)

    def sections(self, key: str, keys: Collection[str] | None = None) -> list[Section]:
        """Return the entries of a list of mappings; none where the key is absent."""
        items = self.get(key, [])
        if not isinstance(items, list):
            raise BenchError(f"{self.place(key)} must be a list.")
        return [Section(f"{self.place(key)} {number}", item, keys) for number, item in enumerate(items, 1)]

    def text(self, key: str, default: str | None = None) -> str:
        """Return a name or a sentence."""
        if default is not None and key not in self:
            return default
        if not _is_text(self[key]):
            raise BenchError(f"{self.place(key)} must be text. Put numbers, yes and no in quotes.")
        return str(self[key]).strip()

    def number(self, key: str, default: float) -> float:
        """Return a finite number."""
        value = self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or (key in self and not math.isfinite(value)):
            raise BenchError(f"{self.place(key)} is {value!r}; it must be a finite number.")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return different texts; a single one needs no list. None where the key is absent."""
        return (
            self._several(key, _is_text, "a list of names, with numbers, yes and no in quotes") if key in self else ()
        )

    def integers(self, key: str, least: int) -> tuple[int, ...]:
        """Return different integers; a single one needs no list."""
        return self._several(
            key,
            lambda value: type(value) is int and value >= least,
            f"a list of integers of {least} or more, such as [1, 2, 4]",
        )

    def _several(self, key: str, fits: Callable[[Any], bool], what: str) -> tuple[Any, ...]:
        values = self[key] if isinstance(self[key], list) else [self[key]]
        if not values or not all(map(fits, values)):
            raise BenchError(f"{self.place(key)} must be {what}.")
        twice = [value for number, value in enumerate(values) if value in values[:number]]
        if twice:
            raise BenchError(f"{self.place(key)} contains {twice[0]!r} twice.")
        return tuple(values)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


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
            f"There is no benchmark {name!r}. Choose one of {', '.join(shipped)}, or pass the path of a YAML file."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path} cannot be read ({error}). Use a YAML file encoded as UTF-8.") from error
    return parse_spec(text, path.name)


def parse_spec(text: str, source: str) -> Spec:
    """Return a benchmark from YAML. Raises BenchError."""
    try:
        content = yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BenchError(f"{source} is not valid YAML: {' '.join(str(error).split())}.") from error
    top = Section(source, content, [field.name for field in fields(Spec)])
    shots, transfer = top.integers("shots", 1), top.section("transfer")
    spec = Spec(
        name=top.text("name"),
        about=top.text("about", ""),
        backbone=top.text("backbone", "mini"),
        sets=_folders(top, "sets"),
        shots=shots,
        seeds=top.integers("seeds", 0),
        methods=_recipes(top.section("methods")),
        regions=_kind(top, "value"),
        settings=tuple(map(_rule, top.sections("settings"))),
        unknown=_unknown(top.section("unknown", ("folder", "sets", "skip"))) if "unknown" in top else None,
        transfer={_folder(key, transfer.place(key)): _folders(transfer, key) for key in transfer},
        ablations={name: _ablation(top.section("ablations"), name, shots) for name in top.section("ablations")},
        claims=tuple(map(_claim, top.sections("claims", _CLAIM_KEYS))),
        published=tuple(map(_published, top.sections("published", [field.name for field in fields(Published)]))),
    )
    _check(spec, source)
    return spec


def _folder(name: str, place: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BenchError(f"{place}: {name!r} must be the path of a folder relative to DATA, without '..'.")
    return path.as_posix()


def _folders(section: Section, key: str) -> tuple[str, ...]:
    return tuple(_folder(name, section.place(key)) for name in section.texts(key))


def _recipes(section: Section) -> dict[str, MethodSettings]:
    recipes = {}
    for heading in section:
        entry = section.section(heading)
        settings = {key: value for key, value in entry.items() if key not in ("method", "regions", "backbone")}
        recipes[heading] = MethodSettings(entry.text("method"), settings, _kind(entry, ""), entry.text("backbone", ""))
    return recipes


def _kind(section: Section, default: str) -> str:
    kind = section.text("regions", default)
    if kind not in (default, *REGION_KINDS):
        raise BenchError(f"{section.place('regions')} is {kind!r}; choose one of {', '.join(REGION_KINDS)}.")
    return kind


def _rule(section: Section) -> Rule:
    settings = {key: value for key, value in section.items() if key not in ("methods", "sets", "shots")}
    if not settings:
        raise BenchError(f"{section.where} has no settings. Add one, such as epochs: 50.")
    return Rule(
        settings,
        methods=section.texts("methods"),
        sets=_folders(section, "sets"),
        shots=section.integers("shots", 1) if "shots" in section else (),
    )


def _unknown(section: Section) -> Unknown:
    skip, sets = section.section("skip"), section.texts("sets")
    return Unknown(
        folder=_folder(section.text("folder"), section.place("folder")) if "folder" in section or not sets else "",
        skip={_folder(key, section.place("skip")): skip.texts(key) for key in skip},
        sets=sets,
    )


def _ablation(section: Section, name: str, shots: tuple[int, ...]) -> Ablation:
    group = section.section(name, ("shots", "sets", "variants"))
    return Ablation(
        variants=_recipes(group.section("variants")),
        shots=group.integers("shots", 1) if "shots" in group else shots,
        sets=_folders(group, "sets") if "sets" in group else None,
    )


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
        raise BenchError(
            f"{section.place('margin')} is allowed only with the relation 'not below', and must be 0 or more."
        )
    for side in (claim.better, claim.than):
        _check_metric(section, side.metric)
    return claim


def _shots(section: Section) -> int:
    shots = section.integers("shots", 1)
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
    if not percent or not all(0 <= value <= 100 for value in percent.values()):
        raise BenchError(
            f"{section.place('values')} must list a percentage (0 to 100) for each set, such as imagenet: 75.1."
        )
    return Published(
        method=section.text("method"),
        metric=metric,
        shots=_shots(section),
        values={name: value / 100 for name, value in percent.items()},
        source=section.text("source"),
        trained=section.text("trained", ""),
    )


def _side(section: Section, key: str, metric: str) -> Side:
    if not isinstance(section[key], dict):
        return Side(section.text(key), metric)
    side = section.section(key, ("method", "metric"))
    return Side(side.text("method"), side.text("metric", metric))


def _check(spec: Spec, source: str) -> None:
    """Check what depends on several entries."""
    if not spec.methods:
        raise BenchError(f"{source}, 'methods' is empty. Add at least one method.")
    for group, ablation in spec.ablations.items():
        if not ablation.variants:
            raise BenchError(f"{source}, 'ablations', {group!r} has no variants. Add at least one.")
        clash = [v for v in ablation.variants if label_of(v, group) in spec.methods]
        if clash:
            raise BenchError(f"{source}: {label_of(clash[0], group)!r} is both a method and a variant. Rename one.")
    _check_sets(spec, source)
    for claim in spec.claims:
        for side in (claim.better, claim.than):
            line = spec.lines.get(side.label)
            if line is None:
                raise BenchError(f"{source}, claim {claim.claim!r}: there is no method or variant {side.label!r}.")
            if claim.shots not in line.shots:
                raise BenchError(
                    f"{source}, claim {claim.claim!r}: {side.label!r} is not run with {claim.shots} shots."
                )
        if claim.test and claim.test not in {t for targets in spec.transfer.values() for t in targets}:
            raise BenchError(
                f"{source}, claim {claim.claim!r}: 'test' is {claim.test!r}, but no model is tested on that set under "
                "'transfer'."
            )


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
            raise BenchError(
                f"{source}, {key!r} names the set {foreign[0]!r}, but 'sets' only lists {listed(spec.sets, 20)}."
            )
