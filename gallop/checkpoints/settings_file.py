"""The settings file of a checkpoint, and how it is read: nothing in it is trusted.

A setting that is not known here is refused by name: its meaning is unknown to this version, which would ignore it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gallop.backbones import pick_regions
from gallop.config import MethodConfig, RegionKind, TrainConfig
from gallop.errors import UnknownPart
from gallop.model.branches.mix import Mix
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel
from gallop.names.class_names import clean_names
from gallop.names.templates import clean_templates
from gallop.parts import saved_parts
from gallop.setting import integer_between, recorded
from gallop.wording import listed, quoted

FORMAT = 3
"""The newest one. A checkpoint has the oldest format that can express it: 3 where its head is drawn to class names, 2
where the method has another head, a second look at a photo or a projection of it, else 1."""

_FIRST = {
    "method": ("global_prompts", "topk", "dropout", "local_projection"),
    "training": ("epochs", "lr", "batch_size", "momentum", "weight_decay", "views", "calibration_folds", "seed"),
    "calibration": ("temperature", "threshold", "note"),
}
"""Settings that are in every checkpoint, as they were in the first ones. Nothing is ever added here."""

_DATA_FINGERPRINT = re.compile("|(listed )?[0-9a-f]{64}")
"""Of photos by their content or of a list of files, as ``gallop.data`` makes them; empty where nothing was learned."""


@dataclass(frozen=True)
class BranchSettings:
    """The settings of a branch in a checkpoint; its kind is one of the method's settings.

    Attributes:
        weight, temperature: of ``Mix``.
        shots: how many single shots have their features in the file; 0 where only their sums are saved.
        names: whether the text features of the names, to which ridge regression draws its weights, are in the file.
    """

    weight: float
    temperature: float
    shots: int = 0
    names: bool = False

    def __post_init__(self) -> None:
        Mix(self.weight, self.temperature)  # refuses what these cannot be
        integer_between("shots", self.shots, 0, 10**9)
        if not isinstance(self.names, bool):
            raise ValueError(f"names is {quoted(self.names)}; it must be true or false")


@dataclass(frozen=True)
class Checkpoint:
    """The content of ``gallop.json``; ``prompts_sha256``, of the file beside it, is filled in by ``save_checkpoint``.

    ``templates`` are there where nothing was learned and sentences replace the prompts. ``regions`` is the kind of the
    backbone's region features. ``branches`` are those that have learned from shots, in the method's order; the file
    calls a single one ``head``.
    """

    backbone: str
    fingerprint: str
    class_names: tuple[str, ...]
    method: MethodConfig
    training: TrainConfig | None
    calibration: Calibration
    data_fingerprint: str = ""
    templates: tuple[str, ...] | None = None
    prompts_sha256: str = ""
    regions: RegionKind = "value"
    branches: tuple[BranchSettings, ...] = ()
    format: int = FORMAT

    @staticmethod
    def of(
        model: PromptModel,
        training: TrainConfig | None,
        calibration: Calibration,
        data_fingerprint: str = "",
        *,
        keep_shots: bool = False,
    ) -> Checkpoint:
        """Return the settings of a model, and how it was learned.

        Args:
            keep_shots: whether features of single shots go with it, where a head has them.

        Raises:
            ConfigError: a function among the settings is not registered.
        """
        return Checkpoint(
            model.backbone.name,
            model.backbone.fingerprint,
            model.class_names,
            method=replace(model.config, **saved_parts(model.config)),
            training=None if training is None else replace(training, **saved_parts(training)),
            calibration=calibration,
            data_fingerprint=data_fingerprint,
            templates=model.templates,
            regions=model.backbone.region_kind,
            branches=tuple(
                BranchSettings(
                    branch.mix.weight,
                    branch.mix.temperature,
                    shots=len(branch.shots) if keep_shots and branch.shots is not None else 0,
                    names=branch.texts is not None,
                )
                for branch in model.branches
            ),
        )

    def record(self) -> dict[str, Any]:
        """Return the settings as the file has them; those added in later versions are left out where not used."""
        parts = {name: getattr(self, name) for name in _FIRST} | {
            "calibration": replace(self.calibration, right=0, asked=0)  # the counts are beside the tensors
        }
        record = asdict(self) | {name: recorded(part, _FIRST[name]) for name, part in parts.items() if part is not None}
        branches = [{k: v for k, v in each.items() if k != "names" or v} for each in record.pop("branches")]
        if branches:
            record["head"] = branches[0] if len(branches) == 1 else branches
        plain = not self.method.branches and self.method.detail == 1 and not self.method.global_projection
        newest = 3 if any(branch.names for branch in self.branches) else 2
        return record | {"format": 1 if plain else newest}


def _part(where: str, parsed: Any, kind: Any, *needed: str) -> Mapping[str, Any]:
    """Parsed JSON, where it is an object that has the needed settings, and no others than a kind has."""
    if not isinstance(parsed, dict):
        raise ValueError(f"{where} must be a mapping of setting names to values, but it is {quoted(parsed)}")
    known = {"head" if field.name == "branches" else field.name for field in fields(kind)}
    unknown = [key if kind is Checkpoint else f"{where}.{key}" for key in parsed if key not in known]
    if unknown:
        raise UnknownPart(
            "It contains settings that this version of gallop does not know and would ignore: "
            f"{listed(unknown)}. Update gallop, or remove these settings."
        )
    for name in needed:
        parsed[name]
    return parsed


def checked_settings(parsed: Any) -> Checkpoint:
    """Return the settings, checked.

    Raises:
        UnknownPart: no version up to this one has written one of them.
        ValueError, GallopError: they make no sense.
        KeyError: one is missing.
    """
    raw = _part("the file", parsed, Checkpoint)
    calibration = Calibration(**_part("calibration", raw["calibration"], Calibration))
    texts = ("backbone", "fingerprint", "data_fingerprint", "prompts_sha256")
    if not isinstance(raw["class_names"], list) or not isinstance(raw.get("templates"), list | None):
        raise ValueError("class names and templates must be lists")
    odd = [value for value in (calibration.note, *(raw.get(key, "") for key in texts)) if not isinstance(value, str)]
    if odd:
        raise ValueError(f"{quoted(odd[0])} is not text")
    if not _DATA_FINGERPRINT.fullmatch(raw.get("data_fingerprint", "")):
        raise ValueError("data_fingerprint is not a fingerprint of photos and labels")
    method, heads = MethodConfig(**_part("method", raw["method"], MethodConfig, "topk")), raw.get("head")
    heads = heads if isinstance(heads, list) else [] if heads is None else [heads]
    branches = tuple(BranchSettings(**_part("head", each, BranchSettings, "weight", "temperature")) for each in heads)
    if branches and not method.branches:
        raise ValueError("it contains a trained head, but its method is set to have none")
    return Checkpoint(
        backbone=raw["backbone"],
        fingerprint=raw["fingerprint"],
        class_names=clean_names(raw["class_names"]),
        method=method,
        training=None if raw["training"] is None else TrainConfig(**_part("training", raw["training"], TrainConfig)),
        calibration=calibration,
        data_fingerprint=raw.get("data_fingerprint", ""),
        templates=None if raw.get("templates") is None else clean_templates(raw["templates"]),
        prompts_sha256=raw.get("prompts_sha256", ""),
        regions=pick_regions(raw.get("regions", "value")),  # older ones do not say
        branches=branches,
        format=int(raw["format"]),
    )
