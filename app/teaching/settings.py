"""How to teach a tower: every setting with its limits, three ways to choose them. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from app.teaching.cards import MOST_PHOTOS
from gallop import MethodConfig, TrainConfig
from gallop.backbones.weights.known import KnownTower
from gallop.config import default_topk, method_preset, train_preset
from gallop.setting import Setting, setting, settings_of

QUICK, PAPER, CUSTOM = "Quick", "As in the paper", "Custom"
WAYS = (QUICK, PAPER, CUSTOM)
_ROUNDS, _VIEWS = 50, 4
"""Of a quick training with the paper's other settings: as many rounds as the paper takes for ImageNet, in few views."""
PAPERS_REGIONS = 14 * 14
"""Of the paper's ViT-B/16, which its scales were chosen on."""
ALL_SHOTS = 0
LOCAL_PROMPTS = Setting(
    "local prompts", "Each is matched with regions, at a scale of its own.", symbol="N", form=(0, 8, 1)
)
"""No setting of its own: there are as many as there are scales k."""
FREE = ("shots", "seed")
"""What no way to teach fixes."""


@dataclass(frozen=True)
class Settings(TrainConfig, MethodConfig):
    """What a training depends on, beside the photos: every setting of the method and of its training, and the shots.

    Attributes:
        shots: photos of each class that are learned from, drawn by the seed; 0 takes all.
    """

    shots: int = setting(
        ALL_SHOTS,
        "photos of each class",
        "Drawn by the seed from the cards. 0: all of them.",
        symbol="shots",
        zero="all",
        form=(ALL_SHOTS, MOST_PHOTOS, 1),
    )

    def __post_init__(self) -> None:
        MethodConfig.__post_init__(self)  # checks every field, those of the training and the shots among them

    @staticmethod
    def of(method: MethodConfig, training: TrainConfig) -> Settings:
        """Return the settings of a training with all photos."""
        return Settings(**_values(method, MethodConfig), **_values(training, TrainConfig))

    def method(self) -> MethodConfig:
        """Return the library's settings of the method."""
        return MethodConfig(**_values(self, MethodConfig))

    def training(self) -> TrainConfig:
        """Return the library's settings of the training."""
        return TrainConfig(**_values(self, TrainConfig))


def looks_of(method: MethodConfig) -> MethodConfig:
    """A method that is the usual one but looks at photos as closely: what is compared must have the same regions."""
    return MethodConfig(detail=method.detail, detail_in=method.detail_in)


def _values(config: MethodConfig | TrainConfig, kind: type[MethodConfig | TrainConfig]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in settings_of(kind)}


def usual_way(own: str) -> str:
    """The way that a tower is taught unless another is chosen: its own settings, or the paper's where it has none."""
    return QUICK if own == "default" else PAPER


def preset(way: str, own: str = "default", regions: int = PAPERS_REGIONS) -> Settings:
    """The settings of a way to teach; ``CUSTOM`` begins with those of ``QUICK``.

    What was measured on one tower is never another's: its quick training is a short one with the paper's settings.

    Args:
        own: the settings that go with the tower.
        regions: R of the tower; a quick training looks at the same shares of a photo whatever its grid.
    """
    if way != PAPER and own == "default":
        method = method_preset("default")
        return Settings.of(replace(method, topk=_scaled(method.topk, regions)), train_preset("default"))
    method, training = method_preset("paper"), train_preset("paper")
    if way == PAPER:
        return Settings.of(replace(method, topk=with_prompts(method.topk, method.local_prompts, regions)), training)
    quick = replace(training, epochs=_ROUNDS, views=_VIEWS)
    return Settings.of(replace(method, topk=scales_for(regions, method.local_prompts)), quick)


def way_of(settings: Settings, own: str, regions: int) -> str:
    """The way to teach that settings are of; what no way fixes, and k, may be anything."""
    for way in (QUICK, PAPER):
        usual = preset(way, own, regions)
        free = {key: getattr(settings, key) for key in (*FREE, "topk")}
        if settings.local_prompts == usual.local_prompts and replace(usual, **free) == settings:
            return way
    return CUSTOM


def regions_of(tower: KnownTower) -> int:
    """R of a tower; the paper's where it is not known before the tower is loaded."""
    return prod(tower.grid) if tower.grid else PAPERS_REGIONS


def way_in_words(way: str, tower: KnownTower) -> str:
    """What a way to teach does with a tower, in a sentence or two."""
    if way == CUSTOM:
        return "Every setting is yours."
    if way == PAPER:
        usual = "" if tower.preset == "default" else " Nothing was measured on this tower, so they are the usual ones."
        return (
            "The paper's own settings: 200 rounds, a fresh view of each photo in every one. Takes many times as long."
            + usual
        )
    if tower.preset == "default":
        return (
            "Chosen by measurement for the model that ships: a few views of each photo, 30 rounds, and a head that "
            "answers beside the prompts."
        )
    scaled = "" if regions_of(tower) == PAPERS_REGIONS else f", k for its {regions_of(tower)} regions"
    return (
        f"The paper's settings, cut short to try out: {_ROUNDS} rounds of {_VIEWS} views of each photo{scaled}. "
        "Measured on no tower."
    )


def scales_for(regions: int, count: int) -> tuple[int, ...]:
    """The paper's k = 5, 10, 15, ... as the same shares of another number of regions."""
    return _scaled(default_topk(count), regions)


def _scaled(topk: Sequence[int], regions: int) -> tuple[int, ...]:
    """Scales of the paper's regions as the same shares of so many; one that is more than the last stays so."""
    found: list[int] = []
    for n, k in enumerate(topk):
        least = found[-1] + 1 if n and k > topk[n - 1] else 1
        found.append(min(max(round(k * regions / PAPERS_REGIONS), least), regions))
    return tuple(found)


def with_prompts(topk: Sequence[int], count: int, regions: int = PAPERS_REGIONS) -> tuple[int, ...]:
    """The same scales for ``count`` local prompts: further ones go on as ``scales_for`` has them; none is above R."""
    further = scales_for(regions, count)[len(topk) :]
    return tuple(min(k, regions) for k in (*topk, *further)[:count])


def changed(then: Settings, now: Settings) -> list[str]:
    """What differs, in words; k alone acts without a new training, but for their number."""
    if len(then.topk) == len(now.topk):
        then = replace(then, topk=now.topk)
    return [about.words for key, about in settings_of(now).items() if getattr(then, key) != getattr(now, key)]
