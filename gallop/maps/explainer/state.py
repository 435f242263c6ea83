"""The state of an explainer: what is shown, as last chosen in a browser, which may send anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gallop.errors import ClassNameError
from gallop.maps.map_style import COLOURS, DRAWN, Style
from gallop.setting import require
from gallop.wording import listed, printable

_KINDS = {"class_name": str, "against": str, "before": bool, "prompt": int, "topk": list, "region": int, "turn": int}
"""Types of the values that a browser sends; a truth value is no number."""


class Extent(Protocol):
    """What there is to choose from: an explanation has it, and so has a stored summary of one."""

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def topk(self) -> tuple[int, ...]: ...

    @property
    def grid(self) -> tuple[int, int]: ...

    @property
    def branches(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class ExplainerState:
    """What is shown of an explanation.

    Attributes:
        class_name: the class explained; None follows the most probable one.
        against: another class, whose scores are subtracted.
        before: whether the same class's scores before teaching are subtracted.
        prompt: the local prompt whose map is shown, counted from 0; the maps of branches beside the prompts come last.
        topk: k of each local prompt; the model's where it is empty.
        region: the one whose most probable classes are listed.
        all_scales: every scale's map, large.
        style: how maps are drawn; its opacity is that of the strongest regions.
        turn: counts a browser's interactions, so that it recognises an answer to an old one.
    """

    class_name: str | None = None
    against: str | None = None
    before: bool = False
    prompt: int = 0
    topk: tuple[int, ...] = ()
    region: int | None = None
    all_scales: bool = False
    style: Style = field(default_factory=Style)
    turn: int = 0

    @classmethod
    def from_browser(cls, message: Mapping[str, Any]) -> ExplainerState:
        """Return the state in a browser's message; invalid values get their defaults."""
        given = {name: message[name] for name, kind in _KINDS.items() if type(message.get(name)) is kind}
        topk = given.pop("topk", [])
        given["topk"] = tuple(topk) if all(type(k) is int for k in topk) else ()
        return cls(**given, all_scales=message.get("all") is True, style=_style(message))

    def of(self, explanation: Extent) -> ExplainerState:
        """Return it limited to the classes, prompts, scales and regions that an explanation has."""
        regions = explanation.grid[0] * explanation.grid[1]
        names = explanation.class_names
        usual = (*self.topk, *explanation.topk[len(self.topk) :])[: len(explanation.topk)]
        return replace(
            self,
            class_name=self.class_name if self.class_name in names else None,
            against=self.against if self.against in names else None,
            prompt=min(max(self.prompt, 0), max(_maps(explanation) - 1, 0)),
            topk=tuple(min(max(k, 1), regions) for k in usual),
            region=self.region if self.region is not None and 0 <= self.region < regions else None,
        )

    def checked(self, explanation: Extent) -> ExplainerState:
        """Return it for an explanation, which must have everything in it: for states that are written in code.

        Raises:
            ClassNameError: there is no such class.
            ConfigError: there is no such prompt or region, or k is less than 1.
        """
        regions, prompts = explanation.grid[0] * explanation.grid[1], len(explanation.topk)
        for name in (self.class_name, self.against):
            if name is not None and name not in explanation.class_names:
                raise ClassNameError(
                    f"This explanation has no class '{printable(name)}'; its classes are "
                    f"{listed(explanation.class_names)}."
                )
        require(
            len(self.topk) <= prompts and min(self.topk, default=1) >= 1,
            f"topk must contain at most {prompts} numbers, each 1 or more; got {list(self.topk)}.",
        )
        maps = max(_maps(explanation), 1)
        for what, value, count in (("prompt", self.prompt, maps), ("region", self.region or 0, regions)):
            require(0 <= value < count, f"{what} is {value}; it must be between 0 and {count - 1}.")
        return self.of(explanation)

    def as_dict(self) -> dict[str, Any]:
        """Return it in the form that the browser uses."""
        return {
            "class_name": self.class_name,
            "against": self.against,
            "before": self.before,
            "prompt": self.prompt,
            "topk": list(self.topk),
            "region": self.region,
            "all": self.all_scales,
            "opacity": self.style.opacity,
            "threshold": self.style.threshold,
            "drawn": self.style.drawn,
            "colours": self.style.colours,
            "turn": self.turn,
        }


def _maps(explanation: Extent) -> int:
    return len(explanation.topk) + len(explanation.branches)


def _style(message: Mapping[str, Any]) -> Style:
    numbers = {
        name: float(message[name])
        for name in ("opacity", "threshold")
        if type(message.get(name)) in (int, float) and 0 <= message[name] <= 1
    }
    colours = message["colours"] if message.get("colours") in COLOURS else Style.colours
    return Style(colours, drawn=message["drawn"] if message.get("drawn") in DRAWN else Style.drawn, **numbers)
