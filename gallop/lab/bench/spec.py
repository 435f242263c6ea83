"""What a benchmark asks: methods, data sets, shots, seeds and ablations, read from YAML and checked.

Knows neither torch nor the methods: whether a method can be made with its settings, ``plan`` finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from gallop.errors import BenchError
from gallop.lab.paper_sets import available_datasets
from gallop.runtime.reading import read_text
from gallop.wording import listed

SPECS = Path(__file__).parent / "specs"
LARGEST_SPEC = 256 * 2**10
"""Bytes; the longest that is shipped has a thirtieth of them, and YAML is read slowly."""
_KEYS = (
    *("name", "about", "backbone", "sets", "shots", "seeds"),
    *("methods", "settings", "unknown", "transfer", "ablations"),
)


@dataclass(frozen=True)
class Rule:
    """Settings of methods that learn, on some sets and at some shots; empty for all of them.

    The settings of a line precede those of rules, a later rule an earlier one.
    """

    settings: Mapping[str, Any]
    methods: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of the tables: of the main ones, or of the ablation ``group``.

    Attributes:
        method, settings: how it is made: a method, and the settings that replace its defaults.
        sets: that it is on; None for all.
        regions: the kind of region features, as ``load_backbone`` takes it.
        backbone: another one than the benchmark's; empty for that.
    """

    heading: str
    group: str
    method: str
    settings: Mapping[str, Any]
    shots: tuple[int, ...]
    sets: tuple[str, ...] | None = None
    regions: str = "value"
    backbone: str = ""

    @property
    def label(self) -> str:
        return f"{self.group} / {self.heading}" if self.group else self.heading


@dataclass(frozen=True)
class Unknown:
    """Groups of unknown photos: the folders in ``folder`` (empty for none), and ``sets`` by name.

    ``skip`` names, for a set, those groups that it knows after all.
    """

    folder: str = ""
    skip: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """A benchmark.

    Attributes:
        sets: folders below DATA, or the paper's sets by name.
        transfer: set -> sets whose test photos its runs are asked about too.
        lines: of the tables, methods first, then the variants of each ablation.
        settings: rules, the last one that fits wins.
    """

    name: str
    about: str
    backbone: str
    sets: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    lines: tuple[Line, ...]
    settings: tuple[Rule, ...] = ()
    unknown: Unknown = field(default_factory=Unknown)
    transfer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def group(self, name: str = "") -> list[Line]:
        """Return the lines of an ablation; without a name those of the main tables."""
        return [line for line in self.lines if line.group == name]

    def rules(self, method: str, name: str, shots: int) -> dict[str, Any]:
        """Return the settings that the rules have for a method on a set at a number of shots."""
        settings: dict[str, Any] = {}
        for rule in self.settings:
            if all(not of or it in of for of, it in ((rule.methods, method), (rule.sets, name), (rule.shots, shots))):
                settings.update(rule.settings)
        return settings

    def narrowed(
        self,
        only: Collection[str] | None = None,
        sets: Collection[str] | None = None,
        shots: Collection[int] | None = None,
        seeds: Collection[int] | None = None,
    ) -> Spec:
        """Return a part of the benchmark: some lines (headings, groups or "group / variant"), sets, shots and seeds.

        Raises:
            BenchError: something that the benchmark does not have, or nothing that is left.
        """
        names = {name for line in self.lines for name in (line.label, line.group) if name}
        numbers = {each for line in self.lines for each in line.shots}
        _must_have("method, group or variant", only, names)
        _must_have("set", sets, self.sets)
        _must_have("number of shots", shots, numbers)
        _must_have("seed", seeds, self.seeds)
        lines = [
            replace(line, shots=tuple(each for each in line.shots if shots is None or each in shots))
            for line in self.lines
            if only is None or line.label in only or line.group in only
        ]
        lines = [line for line in lines if line.shots and (sets is None or line.sets is None or {*line.sets} & {*sets})]
        if not lines:
            raise BenchError(
                "No run of the benchmark matches all of these options, because each method only runs with certain "
                "numbers of shots and on certain data sets. Leave out one or more of --only, --sets and --shots."
            )
        return replace(
            self,
            lines=tuple(lines),
            sets=self.sets if sets is None else tuple(sets),
            shots=tuple(each for each in self.shots if shots is None or each in shots) or self.shots,
            seeds=self.seeds if seeds is None else tuple(seeds),
        )


def _must_have(what: str, asked: Collection[Any] | None, there: Collection[Any]) -> None:
    for item in asked or ():
        if item not in there:
            choices = listed([str(each) for each in sorted(there)], 20)
            raise BenchError(f"{item!r} is not a {what} of this benchmark; choose one of {choices}.")


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

    def text(self, key: str, default: str | None = None) -> str:
        """Return a name or a sentence."""
        if default is not None and key not in self:
            return default
        if not _is_text(self[key]):
            raise BenchError(f"{self.place(key)} must be text. Put numbers, yes and no in quotes.")
        return str(self[key]).strip()

    def texts(self, key: str, *, needed: bool = False) -> tuple[str, ...]:
        """Return different texts; a single one needs no list. None of them where the key is absent, unless needed."""
        what = "a list of names, with numbers, yes and no in quotes"
        return self._several(key, _is_text, what) if needed or key in self else ()

    def integers(self, key: str, least: int) -> tuple[int, ...]:
        """Return different integers; a single one needs no list."""
        what = f"a list of integers of {least} or more, such as [1, 2, 4]"
        return self._several(key, lambda value: type(value) is int and value >= least, what)

    def folders(self, key: str, *, needed: bool = False) -> tuple[str, ...]:
        """Return different paths below DATA."""
        return tuple(_folder(name, self.place(key)) for name in self.texts(key, needed=needed))

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
    top = Section(source, content, _KEYS)
    shots, transfer, ablations = top.integers("shots", 1), top.section("transfer"), top.section("ablations")
    lines = _lines(top.section("methods"), "", shots, None)
    for group in ablations:
        each = ablations.section(group, ("shots", "sets", "variants"))
        its_shots = each.integers("shots", 1) if "shots" in each else shots
        lines += _lines(each.section("variants"), group, its_shots, each.folders("sets") if "sets" in each else None)
    spec = Spec(
        name=top.text("name"),
        about=top.text("about", ""),
        backbone=top.text("backbone", "mini"),
        sets=top.folders("sets", needed=True),
        shots=shots,
        seeds=top.integers("seeds", 0),
        lines=tuple(lines),
        settings=_rules(top),
        unknown=_unknown(top.section("unknown", ("folder", "sets", "skip"))) if "unknown" in top else Unknown(),
        transfer={_folder(key, transfer.place(key)): transfer.folders(key) for key in transfer},
    )
    _check(spec, source)
    return spec


def _folder(name: str, place: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BenchError(f"{place}: {name!r} must be the path of a folder relative to DATA, without '..'.")
    return path.as_posix()


def _lines(section: Section, group: str, shots: tuple[int, ...], sets: tuple[str, ...] | None) -> list[Line]:
    lines = []
    if not section:
        raise BenchError(f"{section.where} is empty. Add at least one method.")
    for heading in section:
        entry = section.section(heading)
        settings = {key: value for key, value in entry.items() if key not in ("method", "regions", "backbone")}
        made = entry.text("method"), settings
        lines.append(
            Line(heading, group, *made, shots, sets, entry.text("regions", "value"), entry.text("backbone", ""))
        )
    return lines


def _rules(top: Section) -> tuple[Rule, ...]:
    rules, entries = [], top.get("settings", [])
    if not isinstance(entries, list):
        raise BenchError(f"{top.place('settings')} must be a list.")
    for number, entry in enumerate(entries, 1):
        rule = Section(f"{top.place('settings')} {number}", entry)
        settings = {key: value for key, value in rule.items() if key not in ("methods", "sets", "shots")}
        if not settings:
            raise BenchError(f"{rule.where} has no settings. Add one, such as epochs: 50.")
        shots = rule.integers("shots", 1) if "shots" in rule else ()
        rules.append(Rule(settings, rule.texts("methods"), rule.folders("sets"), shots))
    return tuple(rules)


def _unknown(section: Section) -> Unknown:
    skip, sets = section.section("skip"), section.texts("sets")
    return Unknown(
        folder=_folder(section.text("folder"), section.place("folder")) if "folder" in section or not sets else "",
        skip={_folder(key, section.place("skip")): skip.texts(key) for key in skip},
        sets=sets,
    )


def _check(spec: Spec, source: str) -> None:
    """Check what depends on several entries.

    Sets to learn from are among the benchmark's; photos of any set by name may be asked about.
    """
    labels = [line.label for line in spec.lines]
    if twice := [label for number, label in enumerate(labels) if label in labels[:number]]:
        raise BenchError(f"{source}: {twice[0]!r} is both a method and a variant. Rename one.")
    by_name, methods = {known.name for known in available_datasets()}, {line.method for line in spec.lines}
    asked = [name for targets in spec.transfer.values() for name in targets if name not in by_name]
    named = {
        "ablations": [name for line in spec.lines for name in line.sets or ()],
        "settings": [name for rule in spec.settings for name in rule.sets],
        "transfer": [*spec.transfer, *asked],
    }
    if strange := [name for rule in spec.settings for name in rule.methods if name not in methods]:
        raise BenchError(f"{source}, 'settings' names {strange[0]!r}, which is not a method of this benchmark.")
    for key, sets in named.items():
        foreign = [name for name in sets if name not in spec.sets]
        if foreign:
            raise BenchError(
                f"{source}, {key!r} names the set {foreign[0]!r}, but 'sets' only lists {listed(spec.sets, 20)}."
            )
