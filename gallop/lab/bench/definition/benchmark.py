"""What a benchmark is: methods, data sets, shots, seeds, ablations, claims, and what others have published.

Knows neither YAML, torch nor the methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

RELATIONS = ("above", "not below", "below")
AVERAGE = "average"
"""Of the sets, or of the groups of unknown photos, among published values."""


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
class Ablation:
    """Variants of a method, and the shots and sets that they are run on; ``sets`` is None for all."""

    variants: Mapping[str, MethodSettings]
    shots: tuple[int, ...]
    sets: tuple[str, ...] | None


@dataclass(frozen=True)
class Line:
    """A line of the tables: of the main ones, or of the ablation ``group``. Where ``sets`` is None, it is on all."""

    heading: str
    group: str
    recipe: MethodSettings
    shots: tuple[int, ...]
    sets: tuple[str, ...] | None

    @property
    def label(self) -> str:
        return label_of(self.heading, self.group)


@dataclass(frozen=True)
class Unknown:
    """Groups of unknown photos: the folders in ``folder`` (empty for none), and ``sets`` by name.

    ``skip`` names, for a set, those groups that it knows after all.
    """

    folder: str
    skip: Mapping[str, tuple[str, ...]]
    sets: tuple[str, ...] = ()


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
        test: only figures on the test photos of this set, of runs trained elsewhere; empty for the training set.
    """

    claim: str
    better: Side
    than: Side
    shots: int
    relation: str
    test: str
    margin: float


@dataclass(frozen=True)
class Published:
    """Figures of a paper, shown beside ours.

    Attributes:
        values: fractions by set, or by group of unknown photos where the metric is about these; ``AVERAGE`` for all.
        trained: the set that was learned from, where ``values`` are about others ("transfer"); empty where both are the
            same.
        source: where they can be read.
    """

    method: str
    metric: str
    shots: int
    values: Mapping[str, float]
    source: str
    trained: str = ""


@dataclass(frozen=True)
class Spec:
    """A benchmark.

    Attributes:
        regions: the kind of region features, as ``load_backbone`` takes it.
        sets: folders below DATA, or names of ``gallop.data``; empty for every folder with train/ and test/.
        transfer: set -> sets whose test photos its runs are asked about too.
        methods: heading -> recipe.
        ablations: group -> variants.
        settings: rules, the last one that fits wins.
    """

    name: str
    about: str
    backbone: str
    sets: tuple[str, ...]
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    methods: Mapping[str, MethodSettings]
    regions: str = "value"
    settings: tuple[Rule, ...] = ()
    unknown: Unknown | None = None
    transfer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ablations: Mapping[str, Ablation] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    published: tuple[Published, ...] = ()

    def apart(self, why: str) -> Spec:
        """Return the benchmark without published figures, because of a condition that is appended to ``about``."""
        without = " Published figures are left out." if self.published else ""
        return replace(self, about=f"{self.about} {why}{without}".strip(), published=())

    @property
    def lines(self) -> dict[str, Line]:
        """Every line of the tables by its label, methods first."""
        lines = [Line(heading, "", recipe, self.shots, None) for heading, recipe in self.methods.items()]
        for group, each in self.ablations.items():
            lines += [Line(name, group, recipe, each.shots, each.sets) for name, recipe in each.variants.items()]
        return {line.label: line for line in lines}

    def rules(self, method: str, name: str, shots: int) -> dict[str, Any]:
        """Return the settings that the rules have for a method on a set at a number of shots."""
        settings: dict[str, Any] = {}
        for rule in self.settings:
            if all(not of or it in of for of, it in ((rule.methods, method), (rule.sets, name), (rule.shots, shots))):
                settings.update(rule.settings)
        return settings


def label_of(heading: str, group: str = "") -> str:
    """Return what a line of the tables is called in claims."""
    return f"{group} / {heading}" if group else heading
