"""What a benchmark is: methods, data sets, shots, seeds and ablations.

Knows neither YAML, torch nor the methods.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gallop.errors import BenchError
from gallop.wording import listed


@dataclass(frozen=True)
class MethodSettings:
    """How a line of a table is made: a method and the settings that replace its defaults.

    Attributes:
        regions, backbone: another kind of region features, or another backbone, than the benchmark's; empty for that.
    """

    method: str
    settings: Mapping[str, Any]
    regions: str = ""
    backbone: str = ""


@dataclass(frozen=True)
class Rule:
    """Settings of methods that learn, on some sets and at some shots; empty for all of them.

    A method takes those that it has. The settings of a line precede those of rules, a later rule an earlier one.
    """

    settings: Mapping[str, Any]
    methods: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of the tables: of the main ones, or of the ablation ``group``. Where ``sets`` is None, it is on all."""

    heading: str
    group: str
    recipe: MethodSettings
    shots: tuple[int, ...]
    sets: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        return f"{self.group} / {self.heading}" if self.group else self.heading


@dataclass(frozen=True)
class Unknown:
    """Groups of unknown photos: the folders in ``folder`` (empty for none), and ``sets`` by name.

    ``skip`` names, for a set, those groups that it knows after all.
    """

    folder: str
    skip: Mapping[str, tuple[str, ...]]
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """A benchmark.

    Attributes:
        regions: the kind of region features, as ``load_backbone`` takes it.
        sets: folders below DATA, or names of ``gallop.data``; empty for every folder with train/ and test/.
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
    regions: str = "value"
    settings: tuple[Rule, ...] = ()
    unknown: Unknown | None = None
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
        _must_have("set", sets, self.sets or sets or ())
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
